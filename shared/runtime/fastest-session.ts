import type { InferenceSession } from "onnxruntime-node";
import { measureLatencyRatio } from "./latency.js";
import { type OptimizationLevel, openSession, type SessionSettings } from "./session.js";

/** Optimization levels compared with "all", whose data layouts make some networks slower. */
const OTHER_LEVELS: readonly OptimizationLevel[] = ["extended", "basic"];
const SECONDS = 0.1;

/**
 * Opens a session at the optimization level that runs fastest on this machine, with the other settings as
 * given.
 */
export async function openFastestSession(
  model: string,
  settings: Omit<SessionSettings, "graphOptimizationLevel">,
  feeds: InferenceSession.OnnxValueMapType,
): Promise<InferenceSession> {
  let fastest = await openSession(model, { ...settings, graphOptimizationLevel: "all" });
  for (const graphOptimizationLevel of OTHER_LEVELS) {
    const contender = await openSession(model, { ...settings, graphOptimizationLevel });
    const { ratio, noise } = await measureLatencyRatio(fastest, contender, feeds, SECONDS);
    const better = ratio > 1 + 2 * noise;
    await (better ? fastest : contender).release();
    if (better) fastest = contender;
  }
  return fastest;
}
