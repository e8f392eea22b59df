/** An invariant does not hold. */
export class BrokenInvariantError extends Error {
  override readonly name = "BrokenInvariantError";
}

export function insist(holds: boolean, broken: string): asserts holds {
  if (!holds) throw new BrokenInvariantError(broken);
}
