/** How many codes there are: all of so many bits, or a number of them (reference section 4.5). */
export type Width = number | { readonly levels: number };

export function levelsOf(width: Width): number {
  return typeof width === "number" ? 2 ** width : width.levels;
}
