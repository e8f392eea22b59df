import type { InferenceSession } from "onnxruntime-node";
import { compareLatencies, ratioInterval, timeInTurn } from "./latency.js";
import { type OptimizationLevel, openSession, type SessionSettings } from "./session.js";

/**
 * ONNX Runtime's graph optimization levels worth comparing: the layouts of the highest do not pay for every
 * network. Of levels that are equally fast the first is taken.
 */
const CONTENDERS: readonly OptimizationLevel[] = ["all", "extended", "basic"];

export interface FastestSession {
  readonly session: InferenceSession;
  readonly graphOptimizationLevel: OptimizationLevel;
}

/**
 * Opens a session of a model at the optimization level at which it runs fastest on this machine; its other
 * settings are given.
 */
export async function openFastestSession(
  model: string,
  settings: Omit<SessionSettings, "graphOptimizationLevel">,
  feeds: InferenceSession.OnnxValueMapType,
): Promise<FastestSession> {
  const sessions: InferenceSession[] = [];
  for (const graphOptimizationLevel of CONTENDERS) {
    sessions.push(await openSession(model, { ...settings, graphOptimizationLevel }));
  }
  const samples = await timeInTurn(sessions, feeds);
  let fastest = 0;
  for (let contender = 1; contender < samples.length; contender++) {
    const latency = compareLatencies(samples[fastest]!, samples[contender]!);
    if (ratioInterval(latency)[0] > 1) fastest = contender;
  }
  for (const [index, session] of sessions.entries()) if (index !== fastest) await session.release();
  return { session: sessions[fastest]!, graphOptimizationLevel: CONTENDERS[fastest]! };
}
