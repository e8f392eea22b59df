import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { MetricConfiguration } from "../../configuration/engine-schema.js";
import { canonicalJson } from "../../configuration/hash.js";
import { resolvePath } from "../../configuration/parse.js";
import { quantizationSettings } from "../../configuration/quantization-settings.js";
import type { RunConfiguration } from "../../configuration/schema.js";
import type { LocateModule } from "../../metrics/module-location.js";

/** A metric as it is configured, with the hash of a file's content in place of its path: what it computes follows from that. */
export async function metricContent(
  metric: MetricConfiguration,
  directory: string,
  locateModule?: LocateModule,
): Promise<Readonly<Record<string, unknown>>> {
  if ("characters" in metric)
    return { ...metric, characters: await hashOf(resolvePath(directory, metric.characters)) };
  if (!("module" in metric)) return metric;
  const { module } = metric;
  return { ...metric, module: await hashOf(locateModule?.(module) ?? resolvePath(directory, module)) };
}

async function hashOf(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

export interface MeasurementContent {
  readonly modelSha256: string;
  readonly rewritings: readonly string[];
  readonly calibration: { readonly contentHash: string; readonly samples: readonly number[] };
  readonly evaluation: { readonly contentHash: string; readonly samples: number };
  readonly batchSize: number;
  readonly onnxruntime: string;
  /** `metricContent` of the configured metric. */
  readonly metric: Readonly<Record<string, unknown>>;
}

/**
 * Hash of everything that a trial's metric, size and latency ratio depend on beside how each tensor is quantized: what
 * runs must share for the trials of one to be evidence in the other.
 */
export function measurementKey(configuration: RunConfiguration, content: MeasurementContent): string {
  const { engine, optimizer } = configuration;
  const { metric, ...others } = content;
  // What the options come to is part of each trial's quantization, and what is chosen for companions of its configuration.
  const { options: _, sampling: __, tunedCompanions: ___, ...settings } = quantizationSettings(configuration);
  const document = {
    ...others,
    settings,
    metric,
    session: engine.session,
    threads: optimizer.params.benchmark.nthreads,
  };
  return createHash("sha256").update(canonicalJson(document)).digest("hex");
}
