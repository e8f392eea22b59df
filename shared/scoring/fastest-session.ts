import type { InferenceSession } from "onnxruntime-node";
import { measureLatencyRatio } from "./latency.js";
import { type OptimizationLevel, openSession } from "./session.js";

/** Levels worth comparing: the layouts of the higher ones do not pay for every net (runtime-facts.md). */
const CONTENDERS: readonly OptimizationLevel[] = ["extended", "basic"];
const SECONDS = 0.1;

/** A session of a model at the optimization level at which it runs fastest on this machine. */
export async function openFastestSession(
  model: string,
  intraOpNumThreads: number,
  feeds: InferenceSession.OnnxValueMapType,
): Promise<InferenceSession> {
  let fastest = await openSession(model, { graphOptimizationLevel: "all", intraOpNumThreads });
  for (const graphOptimizationLevel of CONTENDERS) {
    const contender = await openSession(model, { graphOptimizationLevel, intraOpNumThreads });
    const { ratio, noise } = await measureLatencyRatio(fastest, contender, feeds, SECONDS);
    const better = ratio > 1 + 2 * noise;
    await (better ? fastest : contender).release();
    if (better) fastest = contender;
  }
  return fastest;
}
