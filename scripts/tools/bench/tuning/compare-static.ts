import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { validateConfiguration } from "../../../../shared/configuration/parse.js";
import { loadDataset } from "../../../../shared/data/load-dataset.js";
import { toFeeds } from "../../../../shared/runtime/feeds.js";
import { measureLatencyRatio } from "../../../../shared/runtime/latency.js";
import { openSession, portsOf } from "../../../../shared/runtime/session.js";
import { evaluate } from "../../../api/evaluate.js";
import { quantize } from "../../../api/quantize.js";
import { packageRoot } from "../../../package/package-root.js";
import type { BenchModel } from "./models.js";

const LATENCY_SECONDS = 3;

/** The metric's value on the evaluation samples, on the validation samples, and on both together. */
interface Score {
  readonly evaluation: number;
  readonly validation: number;
  readonly both: number;
}

export interface Comparison {
  readonly model: string;
  readonly float: Score;
  readonly ours: Score;
  readonly theirs: Score;
  /** Latency of quantize_static's model divided by ours, measured alternately; above 1 ours is faster. */
  readonly speed: number;
  readonly speedNoise: number;
  readonly integer: string;
  readonly unfused: readonly string[];
}

/** The preset's quantization against onnxruntime's own `quantize_static`, scored and timed in one process. */
export async function compareWithStatic(
  model: BenchModel,
  folder: string,
  python: string,
): Promise<Comparison | string> {
  const { name, directory, configuration } = model;
  const source = { configuration, directory };
  const theirs = join(folder, `${name}-static.onnx`);
  const peerConfiguration = join(folder, `${name}.json`);
  writeFileSync(peerConfiguration, JSON.stringify(absolute(model)));
  const peer = join(packageRoot(), "scripts", "tools", "bench", "peers", "quantize_static.py");
  const made = spawnSync(python, [peer, peerConfiguration, theirs], { encoding: "utf8" });
  if (made.status !== 0) return made.stderr.trim().split("\n").at(-1) ?? `${python} could not be started`;
  const ours = await quantize(source, { out: join(folder, name) });
  const { ratio, noise } = await compareLatency(model, theirs, ours.model);
  const { quantized, integer, unfused } = ours.integerKernels;
  return {
    model: name,
    float: await scoreTwice(join(directory, configuration.model.model), model),
    ours: await scoreTwice(ours.model, model),
    theirs: await scoreTwice(theirs, model),
    speed: ratio,
    speedNoise: noise,
    integer: `${integer} of ${quantized}`,
    unfused: unfused.map(({ name: op, reason }) => `${op}: ${reason}`),
  };
}

async function scoreTwice(path: string, { configuration, directory }: BenchModel): Promise<Score> {
  const { engine } = configuration;
  const evaluation = await evaluate(path, { configuration, directory });
  const validation = await evaluate(path, {
    configuration: { ...configuration, engine: { ...engine, evaluation: engine.validation } },
    directory,
  });
  const [first, second] = [evaluation.metric, validation.metric];
  const samples = first.samples + second.samples;
  return {
    evaluation: first.value,
    validation: second.value,
    both: (first.value * first.samples + second.value * second.samples) / samples,
  };
}

/**
 * Latency of quantize_static's model divided by ours, measured alternately on the first calibration sample.
 */
export async function compareLatency({ configuration, directory }: BenchModel, theirs: string, ours: string) {
  const { engine } = validateConfiguration(configuration, { directory }).configuration;
  const [reference, candidate] = [
    await openSession(theirs, engine.session),
    await openSession(ours, engine.session),
  ];
  const { inputs } = portsOf(candidate);
  const samples = await loadDataset(engine.calibration!, { directory, inputs, path: "engine.calibration" });
  const feeds = toFeeds(await samples.batch([0]));
  const ratio = await measureLatencyRatio(reference, candidate, feeds, { seconds: LATENCY_SECONDS });
  await reference.release();
  await candidate.release();
  return ratio;
}

/**
 * The model's configuration with absolute paths, as the peer (other quantization tool) reads it from another
 * folder.
 */
export function absolute({ configuration, directory }: BenchModel) {
  const inputs = Object.fromEntries(
    Object.entries(configuration.engine.calibration?.inputs ?? {}).map(([name, source]) => [
      name,
      typeof source === "string"
        ? { data: join(directory, source) }
        : source.data === undefined
          ? source
          : { ...source, data: join(directory, source.data) },
    ]),
  );
  return {
    model: { model: join(directory, configuration.model.model) },
    engine: { calibration: { inputs } },
    compression: configuration.compression,
  };
}
