import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { MetricConfiguration } from "../../configuration/engine-schema.js";
import { canonicalJson } from "../../configuration/hash.js";
import { resolvePath } from "../../configuration/parse.js";
import { hashedSettings, quantizationSettings } from "../../configuration/quantization-settings.js";
import type { RunConfiguration } from "../../configuration/schema.js";
import type { LocateModule } from "../../metrics/module-location.js";

/**
 * The configured metric with hashes of files' contents in place of their paths, as contents decide what it
 * computes.
 */
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
  /** The configured metric with hashes of files' contents in place of their paths (`metricContent`). */
  readonly metric: Readonly<Record<string, unknown>>;
}

/**
 * Hash of everything, apart from a trial's configuration, that its metric, size and latency ratio depend on. Trials of
 * one run can be compared with those of another only if both runs have the same key.
 */
export function measurementKey(configuration: RunConfiguration, content: MeasurementContent): string {
  const { engine, optimizer } = configuration;
  const { metric, ...others } = content;
  // How tensors are quantized and what is chosen for algorithms is left out: it differs between the trials of
  // one run.
  const document = {
    ...others,
    settings: hashedSettings(quantizationSettings(configuration)),
    metric,
    session: engine.session,
    threads: optimizer.params.benchmark.nthreads,
  };
  return createHash("sha256").update(canonicalJson(document)).digest("hex");
}
