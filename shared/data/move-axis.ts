import type { Elements } from "../runtime/element-type.js";
import type { TensorValue } from "../runtime/tensor.js";

/** Moves one axis to another position and keeps the order of the others, as numpy's `moveaxis`. */
export function moveAxis(value: TensorValue, from: number, to: number): TensorValue {
  const { type, dims, data } = value;
  if (from === to) return value;
  const others = dims.filter((_, axis) => axis !== from);
  const moved = [...others.slice(0, to), dims[from]!, ...others.slice(to)];
  // An axis of length 1 can move without moving elements.
  if (dims[from] === 1) return { type, dims: moved, data };
  const [low, high] = from < to ? [from, to] : [to, from];
  const outer = product(dims.slice(0, low));
  const crossed = product(dims.slice(from < to ? low + 1 : low, from < to ? high + 1 : high));
  const inner = product(dims.slice(high + 1));
  const [rows, columns] = from < to ? [dims[from]!, crossed] : [crossed, dims[from]!];
  return { type, dims: moved, data: swapped(data, outer, rows, columns, inner) };
}

/** Transposes `[outer, rows, columns, inner]` to `[outer, columns, rows, inner]`. */
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
