const CHARACTERS = 24;

/** A progress bar of fixed width that is filled to `done / most`. */
export function bar(done: number, most: number): string {
  const full = most === 0 ? 0 : Math.round((CHARACTERS * Math.min(done, most)) / most);
  return "█".repeat(full) + "░".repeat(CHARACTERS - full);
}
