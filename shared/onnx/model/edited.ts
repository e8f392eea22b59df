import type { Message } from "@bufbuild/protobuf";

/**
 * A shallow copy of a protobuf message with some fields changed. (A spread would lose the prototype, where proto2
 * messages keep the defaults of unset fields.)
 */
export function edited<T extends Message>(message: T, changes: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)) as T, message, changes);
}
