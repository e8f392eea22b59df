import type { Elements } from "../runtime/element-type.js";
import type { TensorValue } from "../runtime/tensor.js";

/** The same values with one axis at another place, the others in their order: numpy's `moveaxis`. */
export function moveAxis(value: TensorValue, from: number, to: number): TensorValue {
  const { type, dims, data } = value;
  if (from === to) return value;
  const others = dims.filter((_, axis) => axis !== from);
  const moved = [...others.slice(0, to), dims[from]!, ...others.slice(to)];
  // Axes of length 1 order nothing.
  if (dims[from] === 1) return { type, dims: moved, data };
  const [low, high] = from < to ? [from, to] : [to, from];
  const outer = product(dims.slice(0, low));
  const crossed = product(dims.slice(from < to ? low + 1 : low, from < to ? high + 1 : high));
  const inner = product(dims.slice(high + 1));
  const [rows, columns] = from < to ? [dims[from]!, crossed] : [crossed, dims[from]!];
  return { type, dims: moved, data: swapped(data, outer, rows, columns, inner) };
}

/** `[outer, rows, columns, inner]` as `[outer, columns, rows, inner]`. */
function swapped(data: Elements, outer: number, rows: number, columns: number, inner: number): Elements {
  const out = data.slice() as Elements;
  for (let block = 0; block < outer; block++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const source = ((block * rows + row) * columns + column) * inner;
        const target = ((block * columns + column) * rows + row) * inner;
        out.set(data.subarray(source, source + inner) as never, target);
      }
    }
  }
  return out;
}

function product(axes: readonly number[]): number {
  return axes.reduce((all, axis) => all * axis, 1);
}
