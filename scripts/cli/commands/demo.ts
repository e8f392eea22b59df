import { join } from "node:path";
import { readConfiguration } from "../../../shared/configuration/parse.js";
import { evaluate, quantize, readRuns, requireVacant, requireWritable } from "../../api/index.js";
import { packageRoot } from "../../package/package-root.js";
import { resultText } from "../display/result-table.js";
import { resultExitCode } from "./exit-code.js";
import { tuneWithProgress } from "./tune.js";

/** The quantization that the demo compares tuning with: plain 8-bit, min-max ranges, one scale per tensor. */
const PLAIN = {
  name: "MinMaxQuantization",
  params: {
    preset: "mixed",
    stat_subset_size: 100,
    weights: { granularity: "pertensor" },
    range_estimator: { min: { type: "min", aggregator: "min" }, max: { type: "max", aggregator: "max" } },
  },
} as const;

/**
 * Whether a folder holds only results of the demo, which may be replaced so that the demo can be repeated.
 */
async function isOwn(out: string, directory: string): Promise<boolean> {
  const runs = await readRuns(out);
  return runs.length > 0 && runs.every(({ remembered }) => remembered?.directory === directory);
}

/**
 * Runs the bundled example: shows what plain 8-bit quantization costs a network with uneven channels, and
 * what tuning recovers.
 */
export async function runDemo({
  out,
  workers,
  force = false,
}: {
  readonly out: string;
  readonly force?: boolean;
  readonly workers?: number;
}): Promise<number> {
  const config = join(packageRoot(), "scripts", "demo", "config.json");
  process.stderr.write(
    "The demo's network reads handwritten digits. The ranges of its channels were made uneven on purpose, by powers of two\nthat the next layer undoes, to imitate what MobileNets show; without that, plain 8 bit would hardly hurt it.\n",
  );
  const { configuration, directory } = await readConfiguration(config);
  await requireWritable(out);
  if (!force && !(await isOwn(out, directory))) await requireVacant(out);
  const plainConfiguration = {
    configuration: { ...configuration, compression: { ...configuration.compression, algorithms: [PLAIN] } },
    directory,
  };
  const plain = await quantize(plainConfiguration, { out: join(out, "plain"), force: true });
  const { metric } = await evaluate(plain.model, config);
  const { result } = await tuneWithProgress(config, {
    out,
    force: true,
    ...(workers === undefined ? {} : { workers }),
  });
  process.stdout.write(
    `${[
      `Plain 8 bit (min-max ranges, one scale per tensor, everything quantized): ${metric.name} ${metric.value}, float ${result.float.metric.value}.`,
      resultText(result),
      `Written to ${out}: model.onnx, configuration.json, result.json, trials.jsonl.`,
    ].join("\n")}\n`,
  );
  return resultExitCode(result);
}
