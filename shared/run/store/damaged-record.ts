/** Thrown if a stored record of a run is missing or is not what was written. */
export class DamagedRecordError extends Error {
  override readonly name = "DamagedRecordError";
  constructor(
    readonly key: string,
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`The run's record ${key} ${problem}; start a new run.`, options);
  }
}
