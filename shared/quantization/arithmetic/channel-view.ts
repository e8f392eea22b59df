/** A float tensor divided into channels: element i belongs to channel floor(i / inner) mod channels. */
export interface ChannelView {
  readonly values: Float32Array;
  readonly channels: number;
  /** Number of consecutive elements of one channel: the product of the dimensions after the channel axis. */
  readonly inner: number;
}

/**
 * Views a tensor along its channel axis.
 *
 * @param axis the channel axis; `undefined` makes the whole tensor one channel
 */
export function channelView(
  values: Float32Array,
  dims: readonly number[],
  axis: number | undefined,
): ChannelView {
  if (axis === undefined) return { values, channels: 1, inner: Math.max(values.length, 1) };
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return { values, channels: dims[axis]!, inner };
}

/** Calls `visit` with each run of consecutive elements of one channel; `end` is exclusive. */
export function forEachRun(
  { values, channels, inner }: ChannelView,
  visit: (channel: number, start: number, end: number) => void,
): void {
  for (let start = 0, run = 0; start < values.length; start += inner, run++) {
    visit(run % channels, start, start + inner);
  }
}
