const CHARACTERS = 24;

/** A bar as full as `done` of `most`. */
export function bar(done: number, most: number): string {
  const full = most === 0 ? 0 : Math.round((CHARACTERS * Math.min(done, most)) / most);
  return "█".repeat(full) + "░".repeat(CHARACTERS - full);
}
