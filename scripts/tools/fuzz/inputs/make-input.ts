import { createRandomStream } from "../../../../shared/search/numerics/random.js";
import { changedArray } from "./arrays.js";
import { weighted } from "./choose.js";
import { changedConfiguration } from "./configurations.js";
import type { FuzzInput, Kind } from "./fuzz-input.js";
import { changedMessages } from "./messages.js";
import { changedModel } from "./models.js";
import { type Moment, recordMessages } from "./recorded-messages.js";
import { recordRun } from "./recorded-run.js";
import { changedRecord } from "./records.js";

/** Percentage of the inputs that each kind has. */
const SHARES: Readonly<Record<Kind, number>> = {
  model: 40,
  configuration: 20,
  array: 15,
  record: 10,
  message: 15,
};

/** Recorded valid runs whose records and messages are mutated. */
export interface Recorded {
  readonly run: ReadonlyMap<string, Uint8Array>;
  readonly moments: readonly Moment[];
}

export async function record(): Promise<Recorded> {
  return { run: await recordRun(), moments: await recordMessages() };
}

/** The fuzz input with the given number, a function of seed and number alone. */
export function makeInput(seed: number, number: number, { run, moments }: Recorded): FuzzInput {
  const random = createRandomStream(seed, number, "problem");
  const kinds: Readonly<Record<Kind, () => Omit<FuzzInput, "number">>> = {
    model: () => changedModel(random),
    configuration: () => changedConfiguration(random),
    array: () => changedArray(random),
    record: () => changedRecord(random, run),
    message: () => changedMessages(random, moments),
  };
  return { number, ...kinds[weighted(random, SHARES)]() };
}
