import { zipSync } from "fflate";
import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { npyBytes, withHeader } from "../../../../test/data/write-npy.js";
import { mutateBytesSomehow } from "./bytes-mutation.js";
import { oneOf, weighted } from "./choose.js";
import type { FuzzInput } from "./fuzz-input.js";
import type { Json } from "./json-mutation.js";
import { ALGORITHMS, soundConfiguration } from "./sound-configurations.js";
import { networkFiles } from "./sound-models.js";

const DESCRIPTIONS = [
  "<f4",
  ">f4",
  "<f8",
  "<f2",
  "|u1",
  "<i8",
  "|b1",
  "<U3",
  "|O",
  "<c8",
  "<f3",
  "",
  "f4",
  "=f4",
];
const SHAPES = [
  "(6, 4, 8, 8)",
  "(6, 8, 8, 4)",
  "()",
  "(0, 4, 8, 8)",
  "(-6, 3)",
  "(6",
  "(1e3,)",
  `(${2 ** 40},)`,
  "6",
  "(6, 4, 8, 8, 1)",
];
const FIELDS = [
  "'fortran_order': False",
  "'fortran_order': True",
  "'fortran_order': 0",
  "",
  "'fortran_order': False, 'x': 1",
];
const VALUES = [0, Number.NaN, Infinity, 1e30, -1e30, 1e-40, 255];
const LABELS = [-1n, 3n, 10n ** 12n, -(2n ** 63n), 0n];

/** Fixed time for archive entries, so that archives are the same on every machine. */
const ZIP_TIME = new Date(1990, 0, 1);

const COMMANDS = { quantize: 5, evaluate: 6 };
const ARGUMENTS = {
  quantize: ["quantize", "config.json", "--out", "out"],
  evaluate: ["evaluate", "model.onnx", "config.json"],
} as const;

interface Changed {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly mutations: readonly string[];
  /** Keys of the evaluation section that differ from the default. */
  readonly evaluation?: Readonly<Record<string, Json>>;
  readonly inputs?: string;
}

type Change = (files: ReadonlyMap<string, Uint8Array>, random: RandomStream) => Changed;

const floats = (bytes: Uint8Array): Float32Array =>
  // The header of the .npy file is padded to 128 bytes: a multiple of 64, and it is shorter than that.
  new Float32Array(new Uint8Array(bytes.subarray(128)).buffer);

const CHANGES: Readonly<Record<string, Change>> = {
  bytes: (files, random) => {
    const name = oneOf(random, ["x.npy", "y.npy"]);
    const { bytes, mutations } = mutateBytesSomehow(files.get(name)!, random);
    return { files: new Map([[name, bytes]]), mutations: [name, ...mutations] };
  },
  header: (files, random) => {
    const name = oneOf(random, ["x.npy", "y.npy"]);
    const fields = [
      `'descr': '${oneOf(random, DESCRIPTIONS)}'`,
      oneOf(random, FIELDS),
      `'shape': ${oneOf(random, SHAPES)}`,
    ].filter((field) => field !== "");
    const text = `{${fields.join(", ")}, }`;
    const data = floats(files.get("x.npy")!);
    return { files: new Map([[name, withHeader(text, data, 1 + random.below(3))]]), mutations: [name, text] };
  },
  values: (files, random) => {
    const data = Float32Array.from(floats(files.get("x.npy")!));
    const value = oneOf(random, VALUES);
    const every = oneOf(random, [1, 2, 64, data.length]);
    for (let at = random.below(every); at < data.length; at += every) data[at] = value;
    const array = npyBytes({ descr: "<f4", shape: [6, 4, 8, 8], data });
    return { files: new Map([["x.npy", array]]), mutations: [`${value} at each ${every}`] };
  },
  labels: (_, random) => {
    const count = oneOf(random, [6, 6, 6, 5, 7, 0, 1]);
    const data = BigInt64Array.from({ length: count }, (__, i) =>
      random.below(3) === 0 ? oneOf(random, LABELS) : BigInt(i % 3),
    );
    const shape = random.below(4) === 0 ? [count, 1] : [count];
    return {
      files: new Map([["y.npy", npyBytes({ descr: "<i8", shape, data })]]),
      mutations: [`${count} labels`],
    };
  },
  "text labels": (_, random) => {
    const text = oneOf(random, [
      "0\n1\n2\n0\n1\n2\n",
      "a\nb\n",
      "0 1 2 0 1 2",
      "",
      "\n\n\n\n\n\n",
      "0\r\n1\r\n2\r\n0\r\n1\r\n2",
    ]);
    const { bytes, mutations } = mutateBytesSomehow(Buffer.from(text), random);
    return { files: new Map([["y.txt", bytes]]), mutations, evaluation: { labels: "y.txt" } };
  },
  archive: (files, random) => {
    const archive = zipSync({ "x.npy": files.get("x.npy")! }, { mtime: ZIP_TIME });
    const { bytes, mutations } = mutateBytesSomehow(archive, random);
    return {
      files: new Map([["x.npz", bytes]]),
      mutations,
      inputs: oneOf(random, ["x.npz", "x.npz", "x.npz#x", "x.npz#nothing"]),
    };
  },
};

/** A fuzz input of mutated arrays, archives or labels, for a valid model and configuration. */
export function changedArray(random: RandomStream): Omit<FuzzInput, "number"> {
  const name = oneOf(random, Object.keys(CHANGES));
  const files = networkFiles();
  const changed = CHANGES[name]!(files, random);
  for (const [file, bytes] of changed.files) files.set(file, bytes);
  const sound = soundConfiguration(ALGORITHMS[0]!, "CPU") as Record<string, Record<string, Json>>;
  const engine = sound.engine as Record<string, Record<string, Json>>;
  const inputs = changed.inputs === undefined ? {} : { inputs: { x: changed.inputs } };
  const configuration = {
    ...sound,
    engine: {
      ...engine,
      calibration: { ...engine.calibration, ...inputs },
      evaluation: { ...engine.evaluation, ...inputs, ...changed.evaluation },
    },
  };
  files.set("config.json", Buffer.from(JSON.stringify(configuration)));
  const argv = ARGUMENTS[weighted(random, COMMANDS)];
  return { kind: "array", mutations: [name, ...changed.mutations], run: { type: "command", files, argv } };
}
