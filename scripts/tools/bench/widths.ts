import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { DEVICE_NAMES, type DeviceName } from "../../../shared/quantization/device/hardware.js";
import { quantize } from "../../api/quantize.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { type BenchModel, loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:widths -- [--models a,b] [--devices GPU,VPU]`: plain min-max quantization of all layers,
 * with every bit width and on every target device: the metric on the evaluation samples, the file size, and
 * the number of products that run in integer kernels. Variants with folded batch norms are used where they
 * exist.
 */
const { values } = parseArgs({ options: { models: { type: "string" }, devices: { type: "string" } } });

const MODELS = ["kws-dscnn-mlperf", "resnet20-cifar10", "dscnn-cifar10"];

type Bits = 2 | 4 | 8 | 16;

/** A case to measure: changes to the configuration; the preset is `performance` when left out. */
interface Case {
  readonly device: DeviceName;
  readonly preset?: "performance" | "mixed" | "accuracy";
  readonly weights?: Bits;
  /** Whether scales are per tensor, also where the device has them per channel. */
  readonly activations?: "pertensor";
}

const CASES: readonly Case[] = [
  { device: "CPU", weights: 8 },
  { device: "CPU", weights: 4 },
  { device: "CPU", preset: "accuracy", weights: 4 },
  { device: "VPU", weights: 2 },
  { device: "GPU", activations: "pertensor" },
  { device: "VPU", activations: "pertensor" },
  ...DEVICE_NAMES.filter((device) => device !== "ANY").flatMap((device) =>
    (["performance", "mixed", "accuracy"] as const).map((preset) => ({ device, preset })),
  ),
];

const HEAD = [
  "model",
  "device",
  "preset",
  "weights",
  "activations",
  "float",
  "quantized",
  "bytes of float",
  "bytes",
  "integer",
];

await printModelTable(HEAD, async function* (folder, scratch) {
  for (const model of loadBenchModels(folder, values.models?.split(",") ?? MODELS)) {
    const { name, directory, configuration } = model;
    const file = existsSync(join(directory, "model-folded.onnx")) ? "model-folded.onnx" : "model.onnx";
    const float = await metricOf(join(directory, file), configuration, directory);
    for (const asked of CASES.filter(isAsked))
      yield await measure(model, file, float, asked, join(scratch, name));
  }
});

function isAsked({ device }: Case): boolean {
  return values.devices === undefined || values.devices.split(",").includes(device);
}

async function measure(
  { name, directory, configuration }: BenchModel,
  file: string,
  float: number,
  asked: Case,
  out: string,
): Promise<string[]> {
  const whole = plain(configuration, file, asked);
  const made = await quantize({ configuration: whole, directory }, { out });
  const { integer, quantized } = made.integerKernels;
  return [
    `${name}/${file}`,
    asked.device,
    asked.preset ?? "performance",
    asked.weights === undefined ? "" : `${asked.weights} bits`,
    asked.activations ?? "",
    float.toFixed(4),
    (await metricOf(made.model, whole, directory)).toFixed(4),
    `${made.floatModelBytes}`,
    `${made.modelBytes}`,
    `${integer} of ${quantized}`,
  ];
}

/** A configuration with ranges from the smallest to the largest value, and no further algorithms. */
function plain(
  configuration: RunConfigurationInput,
  file: string,
  { device, preset = "performance", weights, activations }: Case,
): RunConfigurationInput {
  return {
    ...configuration,
    model: { ...configuration.model, model: file },
    compression: {
      target_device: device,
      algorithms: [
        {
          name: "MinMaxQuantization",
          params: {
            preset,
            stat_subset_size: 100,
            range_estimator: { min: { aggregator: "min" }, max: { aggregator: "max" } },
            ...(weights === undefined ? {} : { weights: { bits: weights } }),
            ...(activations === undefined ? {} : { activations: { granularity: activations } }),
          },
        },
      ],
    },
  };
}
