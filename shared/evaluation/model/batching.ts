/**
 * The indexes of the samples of one inference; those beyond the first `counted` only fill up a fixed batch,
 * by repeating the last sample.
 */
export interface Batch {
  readonly samples: readonly number[];
  readonly counted: number;
}

/** Splits samples into batches of `size`; the last is filled up where the model's batch is `fixed`. */
export function makeBatches(samples: readonly number[], size: number, fixed: boolean): Batch[] {
  const batches: Batch[] = [];
  for (let from = 0; from < samples.length; from += size) {
    const part = samples.slice(from, from + size);
    const counted = part.length;
    while (fixed && part.length < size) part.push(part[counted - 1]!);
    batches.push({ samples: part, counted });
  }
  return batches;
}
