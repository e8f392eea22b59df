/**
 * Codes of the errors that a user can act on, for programs. Each error's message is one sentence: what is wrong,
 * with the value and its place, and the remedy. Any other exception is a defect of the program.
 */
export type ErrorCode =
  | "USAGE"
  | "CONFIGURATION"
  | "MODEL"
  | "DATA"
  | "RUN_FAILED"
  | "NOTHING_TO_RESUME"
  | "INTERRUPTED";

export class QuantfleetError extends Error {
  override readonly name: string = "QuantfleetError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A wrong call: a bad command-line option, or a bad argument to a function of the API. */
export class UsageError extends QuantfleetError {
  override readonly name = "UsageError";
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}

/** A configuration file that cannot be read, or a value in it that is not allowed. */
export class ConfigurationError extends QuantfleetError {
  override readonly name = "ConfigurationError";
  /** @param path JSON path of the value, such as `optimizer.params.max_trials` */
  constructor(
    message: string,
    readonly path?: string,
    options?: ErrorOptions,
  ) {
    super("CONFIGURATION", message, options);
  }
}

/** A model that cannot be loaded, or with which the requested operation is not possible. */
export class ModelError extends QuantfleetError {
  override readonly name = "ModelError";
  constructor(message: string, options?: ErrorOptions) {
    super("MODEL", message, options);
  }
}

/** Arrays, images or labels that do not fit the model or each other. */
export class DataError extends QuantfleetError {
  override readonly name = "DataError";
  constructor(message: string, options?: ErrorOptions) {
    super("DATA", message, options);
  }
}

/** A run, or another command, that started and could not be finished, such as on a full disk. */
export class RunError extends QuantfleetError {
  override readonly name = "RunError";
  constructor(message: string, options?: ErrorOptions) {
    super("RUN_FAILED", message, options);
  }
}
