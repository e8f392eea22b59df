/** The smallest normal float32 number, which probabilities of zero are raised to. */
const SMALLEST = 2 ** -126;

/**
 * The logits of a Softmax's probabilities, less their mean, as a Softmax does not depend on a constant added to all
 * logits.
 * @param dims of the probabilities
 * @param axis along which they add up to 1; counted from the end where negative
 */
export function centredLogits(
  probabilities: Float32Array,
  dims: readonly number[],
  axis: number,
): Float32Array {
  const at = axis < 0 ? axis + dims.length : axis;
  const classes = dims[at]!;
  const inner = dims.slice(at + 1).reduce((product, dim) => product * dim, 1);
  const logits = probabilities.map((probability) => Math.log(Math.max(probability, SMALLEST)));
  for (let start = 0; start < logits.length; start += classes * inner) {
    for (let offset = start; offset < start + inner; offset++) {
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += logits[offset + c * inner]!;
      for (let c = 0; c < classes; c++) logits[offset + c * inner]! -= sum / classes;
    }
  }
  return logits;
}
