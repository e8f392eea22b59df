/** An invariant of the simulation does not hold. */
export class BrokenInvariantError extends Error {
  override readonly name = "BrokenInvariantError";
}

export function assertInvariant(holds: boolean, broken: string): asserts holds {
  if (!holds) throw new BrokenInvariantError(broken);
}
