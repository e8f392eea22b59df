import { encodeModel, type Model } from "../../../../shared/onnx/model/codec.js";
import { elementCount } from "../../../../shared/onnx/model/tensor.js";
import { npyBytes } from "../../../../test/data/write-npy.js";
import { betweenConvolutions } from "../../../../test/fixtures/models/between-convolutions.js";
import { convolutions } from "../../../../test/fixtures/models/convolutions.js";
import type { ModelFixture } from "../../../../test/fixtures/models/model-fixture.js";
import { nestedStructures } from "../../../../test/fixtures/models/nested-structures.js";
import { oldOperatorSets } from "../../../../test/fixtures/models/old-operator-sets.js";
import { products } from "../../../../test/fixtures/models/products.js";
import { RandomValues } from "../../../../test/fixtures/models/random-values.js";
import { recentOperatorSets } from "../../../../test/fixtures/models/recent-operator-sets.js";
import { structures } from "../../../../test/fixtures/models/structures.js";
import { smallNet } from "../../../../test/quantization/small-net.js";

/** A small classification network of three classes, used for all kinds of inputs. */
const NETWORK: ModelFixture = { name: "small net", build: () => smallNet() };

const built = new Map<ModelFixture, Model>();

/** A fixture's model, built once; must not be modified. */
export function soundModel(fixture: ModelFixture): Model {
  const model = built.get(fixture) ?? fixture.build();
  built.set(fixture, model);
  return model;
}

/** Small models of many structures and operator sets. */
export const MODELS: readonly ModelFixture[] = [
  NETWORK,
  ...betweenConvolutions,
  ...convolutions,
  ...nestedStructures,
  ...oldOperatorSets,
  ...products,
  ...recentOperatorSets,
  ...structures,
];

const SAMPLES = 6;
const AXIS = 4;
const VOCABULARY = 4;
const CLASSES = 3;
/** ONNX data types of integer elements, by NumPy's names. */
const INTEGERS: Readonly<Record<number, string>> = { 6: "<i4", 7: "<i8" };

/** Arrays that fit a model's inputs, by input name. */
export function arraysFor(model: Model, { sizes = {}, vocabulary = VOCABULARY }: ModelFixture) {
  const random = new RandomValues(1);
  const constants = new Set(model.graph.initializer.map(({ name }) => name));
  const arrays = new Map<string, Uint8Array>();
  for (const { name, type } of model.graph.input) {
    if (constants.has(name) || type?.value.case !== "tensorType") continue;
    const dims = type.value.value.shape?.dim ?? [];
    const rest = dims.slice(1).map(({ value }) => {
      if (value.case === "dimValue") return Number(value.value);
      return sizes[value.case === "dimParam" ? value.value : ""] ?? AXIS;
    });
    const shape = [SAMPLES, ...rest];
    const count = elementCount(shape);
    const integer = INTEGERS[type.value.value.elemType];
    const whole = Array.from({ length: count }, () => random.below(vocabulary));
    arrays.set(
      name,
      integer === undefined
        ? npyBytes({ descr: "<f4", shape, data: Float32Array.from({ length: count }, () => random.normal()) })
        : npyBytes({
            descr: integer,
            shape,
            data: integer === "<i4" ? Int32Array.from(whole) : BigInt64Array.from(whole, BigInt),
          }),
    );
  }
  return arrays;
}

/** Class labels of the samples of `NETWORK` (0, 1, … in turn), as the bytes of a .npy file. */
function networkLabels(): Uint8Array {
  const labels = BigInt64Array.from({ length: SAMPLES }, (_, i) => BigInt(i % CLASSES));
  return npyBytes({ descr: "<i8", shape: [SAMPLES], data: labels });
}

/** The files of the network, its samples and its labels. */
export function networkFiles(): Map<string, Uint8Array> {
  const model = soundModel(NETWORK);
  const [x] = arraysFor(model, NETWORK).values();
  return new Map([
    ["model.onnx", encodeModel(model)],
    ["x.npy", x!],
    ["y.npy", networkLabels()],
  ]);
}
