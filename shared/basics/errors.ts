/**
 * The errors that a user can act on. Each message is one sentence that says what is wrong, with the value and
 * where it stands, and what to do about it; anything else that is thrown is a defect of the program.
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

/** The command line was called wrongly. */
export class UsageError extends QuantfleetError {
  override readonly name = "UsageError";
  constructor(message: string, options?: ErrorOptions) {
    super("USAGE", message, options);
  }
}

/** A configuration file that cannot be read, or a value in it outside its limits. */
export class ConfigurationError extends QuantfleetError {
  override readonly name = "ConfigurationError";
  /** @param path where the value stands, as a JSON path such as `optimizer.params.max_trials` */
  constructor(
    message: string,
    readonly path?: string,
    options?: ErrorOptions,
  ) {
    super("CONFIGURATION", message, options);
  }
}

/** A model that does not load, or cannot carry what is asked of it. */
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

/** Work began and could not be finished. */
export class RunError extends QuantfleetError {
  override readonly name = "RunError";
  constructor(message: string, options?: ErrorOptions) {
    super("RUN_FAILED", message, options);
  }
}
