/**
 * Number of bins on each side of zero: 8 to 16 bins per step of signed 8-bit codes over the range of all
 * values.
 */
const SIDE_BINS = 2048;

/** Exponent of two of the width of the narrowest bins: 2^-149 is the smallest positive float32. */
const SMALLEST_EXPONENT = -149;

/** A histogram in its stored form, without empty bins at both ends. */
export interface HistogramContent {
  /** Exponent of two of the bin width: bins are 2^exponent wide, in the unit of the values. */
  readonly exponent: number;
  /**
   * Position of the first bin, in bins from zero: entry i of `counts` is of the bin that begins at (first + i)
   * 2^exponent.
   */
  readonly first: number;
  readonly counts: Float64Array;
}

/** The non-empty bins of a histogram, ascending: their common `width`, lower ends (`lows`) and counts. */
export interface OccupiedBins {
  readonly width: number;
  readonly lows: Float64Array;
  readonly counts: Float64Array;
}

/**
 * Weights with which a histogram counts values, by channel: whole numbers, so that counts are exact in any
 * order of addition.
 */
export interface ChannelCounts {
  readonly weights: readonly number[];
  /** Number of consecutive elements of one channel: the product of the dimensions after the channel axis. */
  readonly inner: number;
}

/**
 * Counts of values in at most 2 x 2,048 bins. The bin width is the smallest power of two at which the bins
 * cover all values so far; it doubles when a value lies outside. As two bins of one width form one of the
 * next, the histogram does not depend on the order of values or on how they are split: merging is exact,
 * associative and commutative. Zeros are left out, because every quantizer represents them exactly; so are
 * values that are not finite.
 */
export class Histogram {
  #exponent = SMALLEST_EXPONENT;
  /**
   * Number of bins below zero: 0 until a negative value is added, which halves the memory of histograms after
   * Relus.
   */
  #below = 0;
  #counts = new Float64Array(SIDE_BINS);

  static of({ exponent, first, counts }: HistogramContent): Histogram {
    const histogram = new Histogram();
    histogram.#exponent = exponent;
    if (first < 0) histogram.#makeNegativeRoom();
    histogram.#counts.set(counts, first + histogram.#below);
    return histogram;
  }

  /** Merges histograms: returns the one of the values of all parts. */
  static merged(parts: readonly Histogram[]): Histogram {
    const merged = new Histogram();
    merged.#exponent = parts.reduce((widest, part) => Math.max(widest, part.#exponent), SMALLEST_EXPONENT);
    if (parts.some((part) => part.#below > 0)) merged.#makeNegativeRoom();
    for (const part of parts) addWidened(merged.#sides(), part.#sides(), merged.#exponent - part.#exponent);
    return merged;
  }

  /** @param channels weights by channel; each value counts once when left out */
  add(values: Float32Array, channels: ChannelCounts = { weights: [1], inner: values.length }): void {
    this.#makeRoom(values);
    const perWidth = 2 ** -this.#exponent;
    const { weights, inner } = channels;
    for (let start = 0, run = 0; start < values.length; start += inner, run++) {
      this.#count(values, start, start + inner, weights[run % weights.length]!, perWidth);
    }
  }

  occupied(): OccupiedBins {
    const width = 2 ** this.#exponent;
    const bins: number[] = [];
    this.#counts.forEach((count, bin) => {
      if (count > 0) bins.push(bin);
    });
    return {
      width,
      lows: Float64Array.from(bins, (bin) => (bin - this.#below) * width),
      counts: Float64Array.from(bins, (bin) => this.#counts[bin]!),
    };
  }

  /** The histogram in its stored form, without the empty bins at both ends. */
  content(): HistogramContent {
    const first = this.#counts.findIndex((count) => count > 0);
    const last = this.#counts.findLastIndex((count) => count > 0);
    return {
      exponent: this.#exponent,
      first: first < 0 ? 0 : first - this.#below,
      counts: first < 0 ? new Float64Array(0) : this.#counts.slice(first, last + 1),
    };
  }

  #makeRoom(values: Float32Array): void {
    let low = 0;
    let high = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value < low && value !== Number.NEGATIVE_INFINITY) low = value;
      else if (value > high && value !== Number.POSITIVE_INFINITY) high = value;
    }
    if (low < 0) this.#makeNegativeRoom();
    let exponent = this.#exponent;
    while (low < -SIDE_BINS * 2 ** exponent || high >= SIDE_BINS * 2 ** exponent) exponent++;
    if (exponent === this.#exponent) return;
    const widened = new Float64Array(this.#counts.length);
    addWidened({ counts: widened, below: this.#below }, this.#sides(), exponent - this.#exponent);
    this.#counts = widened;
    this.#exponent = exponent;
  }

  #makeNegativeRoom(): void {
    if (this.#below > 0) return;
    const counts = new Float64Array(2 * SIDE_BINS);
    counts.set(this.#counts, SIDE_BINS);
    this.#counts = counts;
    this.#below = SIDE_BINS;
  }

  #sides(): Sides {
    return { counts: this.#counts, below: this.#below };
  }

  #count(values: Float32Array, start: number, end: number, weight: number, perWidth: number): void {
    const counts = this.#counts;
    const below = this.#below;
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      // A non-finite value gives an index outside the typed array, and such a write is ignored.
      if (value !== 0) counts[Math.floor(value * perWidth) + below]! += weight;
    }
  }
}

/** Counts of a histogram's bins; the first `below` bins are below zero. */
interface Sides {
  readonly counts: Float64Array;
  readonly below: number;
}

/** Adds the counts of narrow bins to a histogram whose bins are 2^doublings times as wide. */
function addWidened(wide: Sides, narrow: Sides, doublings: number): void {
  const scale = 2 ** -doublings;
  narrow.counts.forEach((count, bin) => {
    if (count > 0) wide.counts[Math.floor((bin - narrow.below) * scale) + wide.below]! += count;
  });
}

/**
 * Adds a tensor's values to one histogram per channel.
 * @param inner number of consecutive elements of one channel
 */
export function addByChannel(histograms: readonly Histogram[], values: Float32Array, inner: number): void {
  for (let start = 0, run = 0; start < values.length; start += inner, run++) {
    histograms[run % histograms.length]!.add(values.subarray(start, start + inner));
  }
}
