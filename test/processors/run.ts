/**
 * `npm run test:processors`: runs the tests that depend on integer kernels, the demo with few trials, and
 * `quantize` on two small models, on emulated x86 without VNNI and on emulated arm64; then compares the
 * outputs of models for target device ANY with those of this machine.
 */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../scripts/package/package-root.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import type { ProcessorClass } from "../../shared/runtime/processor-class.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { readyFixture } from "../end-to-end/steps/quantizing.js";
import { smallNet } from "../quantization/small-net.js";
import { emulatedNodes, type NodeOn } from "./emulated-processors.js";

const DIST = join(packageRoot(), "dist");

/** Tests whose results depend on integer kernels, or on arithmetic that must be the same everywhere. */
const NUMERIC_TESTS = [
  "evaluation/quantizer/kernel-saturation",
  "evaluation/quantizer/integer-kernels",
  "quantization/arithmetic/paired-codes",
  "quantization/graph/saturation-fix",
  "quantization/arithmetic/affine",
  "quantization/rewrite/weight-codes",
  "quantization/graph/fused-sums",
  "quantization/algorithms/fast-bias-correction",
  "quantization/algorithms/bias-correction",
  "onnx/graph/qdq-nodes",
  "end-to-end/widths",
  "end-to-end/devices",
  "end-to-end/model-features",
];

const DEMO_SIZE = { trials: 4, calibration: 20, evaluation: 100 };

/**
 * Signal-to-noise ratio in decibels above which outputs on two processors differ only by rounding of floats.
 */
const SAME_NUMBERS = 90;

let failures = 0;

function check(title: string, passed: boolean, detail = ""): void {
  console.log(`${passed ? "ok  " : "FAIL"} ${title}${detail === "" ? "" : `: ${detail}`}`);
  if (!passed) failures += 1;
}

function run({ command }: Pick<NodeOn, "command">, args: readonly string[]) {
  const [program, ...before] = command as [string, ...string[]];
  return spawnSync(program, [...before, ...args], { encoding: "utf8", maxBuffer: 2 ** 28 });
}

/** Runs the tests in the emulated process itself, because processes that it starts would not be emulated. */
function numericTests(node: NodeOn): void {
  for (const name of NUMERIC_TESTS) {
    const { status, stdout } = run(node, [join(DIST, "test", `${name}.test.js`)]);
    const [passed, failed] = ["pass", "fail"].map(
      (word) => new RegExp(`^# ${word} (\\d+)`, "m").exec(stdout)?.[1],
    );
    check(
      `${node.processor} ${name}`,
      status === 0 && failed === "0" && Number(passed) > 0,
      `${passed ?? 0} passed`,
    );
    if (status !== 0)
      console.log(
        stdout
          .split("\n")
          .filter((line) => /^\s*not ok/.test(line))
          .join("\n"),
      );
  }
}

interface Quantized {
  readonly processor: string;
  readonly portable: boolean;
  readonly exactness: { readonly decibels: number; readonly products: readonly unknown[] };
}

function commands(node: NodeOn, folder: string, configurations: Readonly<Record<string, string>>): void {
  const cli = join(DIST, "scripts", "quantfleet.js");
  for (const [name, configuration] of Object.entries(configurations)) {
    const out = join(folder, `${name}-${node.processor}`);
    const { status, stdout, stderr } = run(node, [cli, "quantize", configuration, "--out", out, "--json"]);
    const result = status === 0 ? (JSON.parse(stdout) as Quantized) : undefined;
    check(
      `${node.processor} quantize ${name}`,
      result?.processor === node.processor && result.portable && result.exactness.products.length === 0,
      result === undefined ? stderr : `${result.exactness.decibels.toFixed(1)} dB to exact arithmetic`,
    );
  }
  const out = join(folder, `tuned-${node.processor}`);
  const { status, stderr } = run(node, [cli, "tune", configurations.demo!, "--out", out, "--workers", "1"]);
  check(
    `${node.processor} tune demo`,
    status === 0 || status === 3,
    status === 0 || status === 3 ? "" : stderr,
  );
}

/** Models for target device ANY, quantized on this machine, and the configurations that quantize them. */
async function portableModels(folder: string) {
  const demo = await demoConfiguration(DEMO_SIZE);
  const { quantizer, subject, float } = await readyFixture(
    { name: "small net", build: () => smallNet() },
    { targetDevice: "ANY" },
  );
  const net = join(folder, "small-net.onnx");
  await writeFile(net, encodeModel(float));
  const quantizedNet = join(folder, "small-net-quantized.onnx");
  await writeFile(quantizedNet, encodeModel(quantizer.quantize(subject.space.base).model));
  const samples = join(folder, "x.npy");
  await writeFile(samples, npy(subject.prepared.inputs[0]!.shape.slice(1).map(Number), 8));
  const ofNet = {
    model: { model: net },
    engine: { calibration: { inputs: { x: samples } } },
    compression: { target_device: "ANY" },
  };
  const configurations = { demo: join(folder, "demo.json"), "small-net": join(folder, "small-net.json") };
  await writeFile(configurations.demo, JSON.stringify(demo));
  await writeFile(configurations["small-net"], JSON.stringify(ofNet));
  return { models: [quantizedNet], configurations };
}

/** Float32 samples between 0 and 1 as a NumPy file. */
function npy(shape: readonly number[], samples: number): Buffer {
  const dims = [samples, ...shape];
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(", ")}), }`;
  const header = `${text.padEnd(117)}\n`;
  const values = Float32Array.from(
    { length: dims.reduce((a, b) => a * b, 1) },
    (_, i) => ((i * 7919) % 997) / 997,
  );
  return Buffer.concat([
    Buffer.from("\x93NUMPY\x01\x00", "latin1"),
    Buffer.from(Uint16Array.of(header.length).buffer),
    Buffer.from(header, "latin1"),
    Buffer.from(values.buffer),
  ]);
}

function decibels(expected: readonly number[], given: readonly number[]): number {
  let [signal, noise] = [0, 0];
  expected.forEach((value, i) => {
    signal += value ** 2;
    noise += (value - given[i]!) ** 2;
  });
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}

interface Outputs {
  readonly processor: ProcessorClass;
  readonly models: readonly (readonly number[])[];
}

function outputs(node: Pick<NodeOn, "command">, models: readonly string[]): Outputs {
  return JSON.parse(
    run(node, [join(DIST, "test", "processors", "model-outputs.js"), ...models]).stdout,
  ) as Outputs;
}

const folder = await mkdtemp(join(tmpdir(), "quantfleet-processors-"));
process.env.QUANTFLEET_CACHE = join(folder, "cache");
try {
  await mkdir(join(folder, "node"));
  const here = { processor: await processorClass(), title: "this machine", command: [process.execPath] };
  const { models, configurations } = await portableModels(folder);
  console.log(`${here.processor}: ${here.title}`);
  commands(here, folder, configurations);
  const compared = [...models, join(folder, `demo-${here.processor}`, "model.onnx")];
  const expected = outputs(here, compared);
  for (const node of emulatedNodes(join(folder, "node"))) {
    if ("because" in node) {
      console.log(`Left out: ${node.processor}, as ${node.because}.`);
      continue;
    }
    console.log(`${node.processor}: ${node.title}`);
    numericTests(node);
    commands(node, folder, configurations);
    const given = outputs(node, compared);
    check(`${node.processor} is what the probe finds`, given.processor === node.processor, given.processor);
    expected.models.forEach((values, i) => {
      const same = decibels(values, given.models[i]!);
      check(
        `${node.processor} model ${i + 1} for ANY`,
        same >= SAME_NUMBERS,
        `${same.toFixed(1)} dB to this machine`,
      );
    });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? "All passed." : `${failures} failed.`);
process.exitCode = failures === 0 ? 0 : 1;
