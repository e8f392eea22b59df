import { allocateElements, bytesPerElement, type Elements, type ElementType } from "./element-type.js";
import { contiguous, type Samples, sampleNumbers, type TensorValue } from "./tensor.js";

/** Turns rows [from, to) of the source into what the model takes. */
export type RowConversion = (from: number, to: number) => Elements;

/**
 * One input's samples. Up to `cacheBytes` they are converted once, so that a batch of neighbouring samples is a
 * view of memory; beyond that every batch is converted when it is asked for.
 */
export class ArrayColumn {
  private readonly converted: Elements | undefined;
  private readonly width: number;

  /** @param shape samples first */
  constructor(
    private readonly type: ElementType,
    private readonly shape: readonly number[],
    private readonly convert: RowConversion,
    cacheBytes: number,
  ) {
    const [samples = 0, ...rest] = shape;
    this.width = rest.reduce((product, axis) => product * axis, 1);
    const bytes = samples * this.width * bytesPerElement(type);
    this.converted = bytes <= cacheBytes ? convert(0, samples) : undefined;
  }

  take(samples: Samples): TensorValue {
    const range = contiguous(samples);
    const count = range === undefined ? sampleNumbers(samples).length : range.to - range.from;
    const data = range === undefined ? this.gather(sampleNumbers(samples)) : this.rows(range.from, range.to);
    return { type: this.type, dims: [count, ...this.shape.slice(1)], data };
  }

  private rows(from: number, to: number): Elements {
    return this.converted?.subarray(from * this.width, to * this.width) ?? this.convert(from, to);
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
