import type { MessagePort } from "node:worker_threads";
import {
  InvalidKeyError,
  PreconditionFailedError,
  StoreUnavailableError,
  WriteConflictError,
} from "./errors.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";

/** Parameters and result of each method of a store. */
interface Calls {
  readonly get: {
    readonly parameters: { readonly range?: ByteRange };
    readonly result: StoredObject | undefined;
  };
  readonly put: {
    readonly parameters: { readonly body: Uint8Array; readonly condition?: PutCondition };
    readonly result: string;
  };
  /** Returns all keys at once, not page by page. */
  readonly list: { readonly parameters: object; readonly result: readonly string[] };
  readonly delete: { readonly parameters: object; readonly result: undefined };
}

type Question = {
  [Call in keyof Calls]: {
    readonly number: number;
    readonly call: Call;
    readonly key: string;
  } & Calls[Call]["parameters"];
}[keyof Calls];

type Answer =
  | { readonly number: number; readonly result: Calls[keyof Calls]["result"] }
  /** An error is sent by its name, because a message port does not preserve classes. */
  | { readonly number: number; readonly error: { readonly name: string; readonly message: string } };

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly key: string;
}

/**
 * Serves a store to another thread over a message port, so that the thread need not load and connect its own.
 */
export function serveObjectStore(store: ObjectStore, port: MessagePort): void {
  port.on("message", async (question: Question) => {
    const { number } = question;
    let answer: Answer;
    try {
      answer = { number, result: await ask(store, question) };
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
      answer = { number, error: { name, message } };
    }
    port.postMessage(answer);
  });
  port.unref();
}

async function ask(store: ObjectStore, question: Question): Promise<Calls[keyof Calls]["result"]> {
  switch (question.call) {
    case "get": {
      const stored = await store.get(question.key, question.range);
      return stored && { body: compact(stored.body), etag: stored.etag };
    }
    case "put":
      return store.put(question.key, question.body, question.condition);
    case "list": {
      const keys: string[] = [];
      for await (const key of store.list(question.key)) keys.push(key);
      return keys;
    }
    case "delete":
      await store.delete(question.key);
      return undefined;
  }
}

/** The bytes in a buffer of their own, because a port copies the whole buffer that bytes are a view of. */
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/**
 * The object store of the thread at the other end of a message port, which serves it by `serveObjectStore`.
 */
export class PortObjectStore implements ObjectStore {
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;

  constructor(private readonly port: MessagePort) {
    port.on("message", (answer: Answer) => this.#answer(answer));
    port.unref();
  }

  get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    return this.#ask("get", key, range === undefined ? {} : { range });
  }

  put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    return this.#ask("put", key, {
      body: compact(body),
      ...(condition === undefined ? {} : { condition }),
    });
  }

  async *list(prefix: string): AsyncIterable<string> {
    yield* await this.#ask("list", prefix, {});
  }

  delete(key: string): Promise<void> {
    return this.#ask("delete", key, {});
  }

  #ask<Call extends keyof Calls>(
    call: Call,
    key: string,
    parameters: Calls[Call]["parameters"],
  ): Promise<Calls[Call]["result"]> {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject, key });
      // Only a pending call keeps the thread alive.
      this.port.ref();
      this.port.postMessage({ number, call, key, ...parameters });
    });
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.port.unref();
    if ("result" in answer) waiting?.resolve(answer.result as never);
    else waiting?.reject(toError(answer.error, waiting.key));
  }
}

/**
 * Classes of the errors that callers tell apart, by the `name` that a message carries. The names are written out
 * because bundling renames classes.
 */
const ERRORS = new Map(
  Object.entries({ PreconditionFailedError, WriteConflictError, StoreUnavailableError, InvalidKeyError }),
);

function toError({ name, message }: { readonly name: string; readonly message: string }, key: string): Error {
  const Known = ERRORS.get(name);
  return Known === undefined ? new Error(message) : new Known(key);
}
