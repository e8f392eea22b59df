import { DataError, RunError } from "../basics/errors.js";

/** The model's output for a sample is nothing that the metric could score. */
export class UnscorableSampleError extends RunError {
  /** @param sample its position in the batch that was scored */
  constructor(
    message: string,
    readonly sample: number,
  ) {
    super(message);
  }
}

export const BY_FLOAT = "by the float model itself";

/**
 * The same of a model that is the user's own: of a trial's it is a failure of the trial, of theirs a fault of model or
 * data. Other errors are given back as they are.
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
