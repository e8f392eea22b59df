import { DataError, RunError } from "../basics/errors.js";

/** Error that a model's output for a sample, such as NaN, cannot be scored by the metric. */
export class UnscorableSampleError extends RunError {
  /** @param sample the sample's position in the batch that was scored */
  constructor(
    message: string,
    readonly sample: number,
  ) {
    super(message);
  }
}

export const BY_FLOAT = "by the float model itself";

/**
 * Turns a run error that the user's own model caused (the float model, not a trial's) into a data error, because
 * its cause is the model or the data. Other errors are returned unchanged.
 *
 * @param who clause that says whose the model is, such as `by the float model itself`
 */
export function asInputError(cause: unknown, who?: string): unknown {
  if (!(cause instanceof RunError)) return cause;
  const by = who === undefined ? "" : `, ${who}`;
  return new DataError(
    `${cause.message.replace(/\.$/, "")}${by}; give samples of which it makes numbers, or another model.`,
    { cause },
  );
}
