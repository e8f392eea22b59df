import { createHash } from "node:crypto";
import { canonicalJson } from "../run/configuration/hash.js";
import { quantizationSettings } from "../run/configuration/quantization-settings.js";
import type { RunConfiguration } from "../run/configuration/schema.js";

export interface MeasurementContent {
  readonly modelSha256: string;
  readonly rewritings: readonly string[];
  readonly calibration: { readonly contentHash: string; readonly samples: readonly number[] };
  readonly evaluation: { readonly contentHash: string; readonly samples: number };
  readonly batchSize: number;
  readonly onnxruntime: string;
}

/**
 * Hash of everything that a trial's metric, size and latency ratio depend on beside how each tensor is quantized: what
 * runs must share for the trials of one to be evidence in the other.
 */
export function measurementKey(configuration: RunConfiguration, content: MeasurementContent): string {
  const { engine, optimizer } = configuration;
  // What the options come to is part of each trial's quantization, and what is chosen for companions of its configuration.
  const { options: _, sampling: __, tunedCompanions: ___, ...settings } = quantizationSettings(configuration);
  const document = {
    ...content,
    settings,
    metric: engine.metric,
    session: engine.session,
    threads: optimizer.params.benchmark.nthreads,
  };
  return createHash("sha256").update(canonicalJson(document)).digest("hex");
}
