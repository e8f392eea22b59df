/** A batch to run, and how many of its samples count: a fixed batch is filled up with repetitions of the last. */
export interface Batch {
  readonly samples: readonly number[];
  readonly counted: number;
}

/** Cuts samples into batches of `size`; all of them are full where the model's batch is `fixed`. */
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
