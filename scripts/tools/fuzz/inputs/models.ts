import { encodeModel } from "../../../../shared/onnx/model/codec.js";
import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { mutateBytesSomehow } from "./bytes-mutation.js";
import { oneOf, weighted } from "./choose.js";
import type { FuzzInput } from "./fuzz-input.js";
import { mutateModelSomehow } from "./model-mutation.js";
import { ALGORITHMS, unlabelledConfiguration } from "./sound-configurations.js";
import { arraysFor, MODELS, soundModel } from "./sound-models.js";

/** Share of the model inputs that have mutated bytes instead of a mutated graph; most of these files do not parse. */
const BYTES_SHARE = 0.25;

const COMMANDS = { inspect: 8, quantize: 9, evaluate: 3, tune: 2 };
const ARGUMENTS = {
  inspect: ["inspect", "model.onnx", "--json"],
  quantize: ["quantize", "config.json", "--out", "out", "--json"],
  evaluate: ["evaluate", "model.onnx", "config.json"],
  tune: ["tune", "config.json", "--out", "out", "--workers", "1"],
} as const;

/** A fuzz input of a mutated small model and samples that fit the original model. */
export function changedModel(random: RandomStream): Omit<FuzzInput, "number"> {
  const fixture = oneOf(random, MODELS);
  const sound = soundModel(fixture);
  const arrays = [...arraysFor(sound, fixture)];
  const { model, mutations } =
    random.uniform() < BYTES_SHARE ? { model: sound, mutations: [] } : mutateModelSomehow(sound, random);
  const encoded = encodeModel(model);
  const changed =
    mutations.length === 0 ? mutateBytesSomehow(encoded, random) : { bytes: encoded, mutations };
  const configuration = unlabelledConfiguration(
    arrays.map(([name]) => name),
    oneOf(random, ALGORITHMS.slice(0, 3)),
  );
  const files = new Map<string, Uint8Array>([
    ["model.onnx", changed.bytes],
    ["config.json", Buffer.from(JSON.stringify(configuration))],
    ...arrays.map(([, array], i): [string, Uint8Array] => [`input-${i}.npy`, array]),
  ]);
  const argv = ARGUMENTS[weighted(random, COMMANDS)];
  return {
    kind: "model",
    mutations: [fixture.name, ...changed.mutations],
    run: { type: "command", files, argv },
  };
}
