import type { InferenceSession } from "onnxruntime-node";
import { measureLatencyRatio } from "./latency.js";
import { type OptimizationLevel, openSession, type SessionSettings } from "./session.js";

/** Levels worth comparing: the layouts of the higher ones do not pay for every net (runtime-facts.md). */
const CONTENDERS: readonly OptimizationLevel[] = ["extended", "basic"];
const SECONDS = 0.1;

/** A session of a model at the optimization level at which it runs fastest on this machine, its other settings given. */
export async function openFastestSession(
  model: string,
  settings: Omit<SessionSettings, "graphOptimizationLevel">,
  feeds: InferenceSession.OnnxValueMapType,
): Promise<InferenceSession> {
  let fastest = await openSession(model, { ...settings, graphOptimizationLevel: "all" });
  for (const graphOptimizationLevel of CONTENDERS) {
    const contender = await openSession(model, { ...settings, graphOptimizationLevel });
    const { ratio, noise } = await measureLatencyRatio(fastest, contender, feeds, SECONDS);
    const better = ratio > 1 + 2 * noise;
    await (better ? fastest : contender).release();
    if (better) fastest = contender;
  }
  return fastest;
}
