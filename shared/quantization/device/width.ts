/** How many codes a quantizer has: a bit width, all of whose codes are used, or an explicit number of levels. */
export type Width = number | { readonly levels: number };

/** The number of codes of a width: 2^bits or the explicit number of levels. */
export function levelsOf(width: Width): number {
  return typeof width === "number" ? 2 ** width : width.levels;
}
