/** Thrown if the condition of a write does not hold: another writer was first. */
export class PreconditionFailedError extends Error {
  override readonly name = "PreconditionFailedError";
  constructor(
    readonly key: string,
    options?: ErrorOptions,
  ) {
    super(`The object ${key} is not what the write was conditioned on; read it again.`, options);
  }
}

/** Thrown if two conditional writes of one key collided; this one was not carried out and can be repeated. */
export class WriteConflictError extends Error {
  override readonly name = "WriteConflictError";
  constructor(
    readonly key: string,
    options?: ErrorOptions,
  ) {
    super(`Another conditional write of ${key} was under way; repeat this one.`, options);
  }
}

/** Thrown if the store did not answer; it is unknown whether a write was carried out. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
  constructor(
    readonly key: string,
    options?: ErrorOptions,
  ) {
    super(`The store did not answer for ${key}; repeat the call after a pause.`, options);
  }
}

/** Thrown for a key with characters that not every adapter can store. */
export class InvalidKeyError extends Error {
  override readonly name = "InvalidKeyError";
  constructor(readonly key: string) {
    super(
      `The key ${JSON.stringify(key)} is not made of letters, digits, ".", "_" and "-" between slashes, each part beginning with a letter, a digit or "_".`,
    );
  }
}

const KEY = /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;
const MAX_KEY_LENGTH = 512;

/**
 * Checks that a key can be stored by every adapter.
 *
 * @throws InvalidKeyError for a key that could leave the store's folder, or that S3 and files would treat
 * differently
 */
export function assertKey(key: string): void {
  if (key.length > MAX_KEY_LENGTH || !KEY.test(key)) throw new InvalidKeyError(key);
}
