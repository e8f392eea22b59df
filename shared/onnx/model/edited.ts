import type { Message } from "@bufbuild/protobuf";

/**
 * A shallow copy of a protobuf message with some fields changed. Unlike a spread it keeps the prototype,
 * which holds the defaults of unset proto2 fields.
 */
export function edited<T extends Message>(message: T, changes: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)) as T, message, changes);
}
