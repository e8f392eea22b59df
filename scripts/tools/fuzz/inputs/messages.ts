import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { mutateBytesSomehow } from "./bytes-mutation.js";
import { oneOf, weighted } from "./choose.js";
import type { FuzzInput, MessageInput } from "./fuzz-input.js";
import { type Json, mutateJsonSomehow } from "./json-mutation.js";
import type { Moment } from "./recorded-messages.js";
import { mutateText, TEXT_MUTATIONS } from "./text-mutation.js";

const WARM_UP = { version: 1, type: "warm-up", runId: "toy", deadline: 8.64e15 };
const MESSAGE_SHARE = 0.75;
const STORED_SHARE = 0.4;

/** A fuzz input of messages to the deployed functions and of objects in their store, either or both mutated. */
export function changedMessages(random: RandomStream, moments: readonly Moment[]): Omit<FuzzInput, "number"> {
  const moment = oneOf(random, moments);
  const to = weighted<MessageInput["to"]>(random, { coordinator: 6, evaluator: 3, collector: 1 });
  const waiting: readonly object[] = to === "coordinator" ? moment.events : [...moment.jobs, WARM_UP];
  const messages = Array.from({ length: 1 + random.below(3) }, () => oneOf(random, waiting));
  const mutations: string[] = [to];
  const bodies = messages.map((message) => {
    if (random.uniform() >= MESSAGE_SHARE) return JSON.stringify(message);
    const { body, mutation } = changedBody(message, random);
    mutations.push(mutation);
    return body;
  });
  const stored = new Map(moment.stored);
  const keys = [...stored.keys()].sort();
  if (keys.length > 0 && random.uniform() < STORED_SHARE) {
    const key = oneOf(random, keys);
    mutations.push(key);
    stored.set(key, changedObject(stored.get(key)!, random));
  }
  return { kind: "message", mutations, run: { type: "message", to, stored, bodies } };
}

function changedBody(message: object, random: RandomStream): { body: string; mutation: string } {
  if (random.below(5) === 0) {
    const mutation = oneOf(random, TEXT_MUTATIONS);
    return { body: mutateText(JSON.stringify(message), random, mutation).toString("utf8"), mutation };
  }
  const { document, mutations } = mutateJsonSomehow(message as unknown as Json, random);
  return { body: JSON.stringify(document), mutation: mutations.join(" ") };
}

function changedObject(bytes: Uint8Array, random: RandomStream): Uint8Array {
  if (random.below(4) === 0) return mutateBytesSomehow(bytes, random).bytes;
  const { document } = mutateJsonSomehow(JSON.parse(Buffer.from(bytes).toString("utf8")) as Json, random);
  return Buffer.from(JSON.stringify(document));
}
