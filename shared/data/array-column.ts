import {
  allocateElements,
  bytesPerElement,
  type Elements,
  type ElementType,
} from "../runtime/element-type.js";
import { contiguous, type Samples, sampleNumbers, type TensorValue } from "../runtime/tensor.js";

/** Converts rows [from, to) of the source to the model's input type. */
export type RowConversion = (from: number, to: number) => Elements;

/**
 * Samples of one input. When all converted samples fit into `cacheBytes`, each is converted once, on first
 * use, and a batch of consecutive samples is a view of memory; otherwise every batch is converted anew.
 */
export class ArrayColumn {
  private readonly kept: { readonly elements: Elements; readonly converted: Uint8Array } | undefined;
  private readonly width: number;

  /**
   * @param shape of all samples; the first axis is the sample
   * @param cacheBytes limit in bytes on converted samples in memory; 0 when the conversion only views the source
   */
  constructor(
    private readonly type: ElementType,
    private readonly shape: readonly number[],
    private readonly convert: RowConversion,
    cacheBytes: number,
  ) {
    const [samples = 0, ...rest] = shape;
    this.width = rest.reduce((product, axis) => product * axis, 1);
    const bytes = samples * this.width * bytesPerElement(type);
    this.kept =
      bytes <= cacheBytes
        ? { elements: allocateElements(type, samples * this.width), converted: new Uint8Array(samples) }
        : undefined;
  }

  /** Converts all cached samples at once, so that a value that does not fit the type is refused early. */
  convertCached(): void {
    if (this.kept !== undefined) this.rows(0, this.kept.converted.length);
  }

  take(samples: Samples): TensorValue {
    const range = contiguous(samples);
    const count = range === undefined ? sampleNumbers(samples).length : range.to - range.from;
    const data = range === undefined ? this.gather(sampleNumbers(samples)) : this.rows(range.from, range.to);
    return { type: this.type, dims: [count, ...this.shape.slice(1)], data };
  }

  private rows(from: number, to: number): Elements {
    if (this.kept === undefined) return this.convert(from, to);
    const { elements, converted } = this.kept;
    for (let first = from; first < to; first++) {
      if (converted[first] === 1) continue;
      let end = first + 1;
      while (end < to && converted[end] === 0) end++;
      copy(this.convert(first, end), elements, first * this.width);
      converted.fill(1, first, end);
      first = end;
    }
    return elements.subarray(from * this.width, to * this.width);
  }

  private gather(samples: readonly number[]): Elements {
    const data = allocateElements(this.type, samples.length * this.width);
    for (const [position, sample] of samples.entries()) {
      copy(this.rows(sample, sample + 1), data, position * this.width);
    }
    return data;
  }
}

function copy(from: Elements, to: Elements, offset: number): void {
  if (from instanceof BigInt64Array || from instanceof BigUint64Array) {
    if (to instanceof BigInt64Array || to instanceof BigUint64Array) to.set(from, offset);
  } else if (!(to instanceof BigInt64Array || to instanceof BigUint64Array)) {
    to.set(from, offset);
  }
}
