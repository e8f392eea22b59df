/**
 * The text with the part between two marker lines replaced.
 *
 * @throws {Error} if a marker is missing
 */
export function replaceBetween(
  text: string,
  [first, last]: readonly [string, string],
  content: string,
): string {
  const [start, end] = [text.indexOf(first), text.indexOf(last)];
  if (start < 0 || end < start) throw new Error(`The text has no ${first} before ${last}.`);
  return `${text.slice(0, start + first.length)}\n\n${content}\n\n${text.slice(end)}`;
}
