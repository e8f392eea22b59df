import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { oneOf, weighted } from "./choose.js";
import type { FuzzInput } from "./fuzz-input.js";
import { mutateJsonSomehow } from "./json-mutation.js";
import { ALGORITHMS, DEVICES, soundConfiguration } from "./sound-configurations.js";
import { networkFiles } from "./sound-models.js";
import { mutateText, TEXT_MUTATIONS } from "./text-mutation.js";

const TEXT_SHARE = 0.2;

const COMMANDS = { quantize: 8, inspect: 3, evaluate: 3, tune: 3 };
const ARGUMENTS = {
  quantize: ["quantize", "config.json", "--out", "out"],
  inspect: ["inspect", "model.onnx", "--config", "config.json"],
  evaluate: ["evaluate", "model.onnx", "config.json"],
  // A mutated number of trials must not make the run long.
  tune: ["tune", "config.json", "--out", "out", "--workers", "1", "--max-trials", "2"],
} as const;

/** A fuzz input of a configuration with mutated values or mutated text. */
export function changedConfiguration(random: RandomStream): Omit<FuzzInput, "number"> {
  const sound = soundConfiguration(oneOf(random, ALGORITHMS), oneOf(random, DEVICES));
  const { text, mutations } =
    random.uniform() < TEXT_SHARE
      ? changedText(JSON.stringify(sound, null, 2), random)
      : changedValues(sound, random);
  const files = networkFiles().set("config.json", text);
  const argv = ARGUMENTS[weighted(random, COMMANDS)];
  return { kind: "configuration", mutations, run: { type: "command", files, argv } };
}

function changedText(text: string, random: RandomStream) {
  const mutation = oneOf(random, TEXT_MUTATIONS);
  return { text: mutateText(text, random, mutation), mutations: [mutation] };
}

function changedValues(sound: ReturnType<typeof soundConfiguration>, random: RandomStream) {
  const { document, mutations } = mutateJsonSomehow(sound, random);
  return { text: Buffer.from(JSON.stringify(document)), mutations };
}
