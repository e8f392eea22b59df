import type { MomentBlock, SecondMoments } from "../../statistics/second-moments.js";
import { momentBlocks } from "../../statistics/second-moments.js";
import type { Affine } from "../affine.js";
import { type ConstantProduct, groupOfOutput, weightPosition } from "../constant-products.js";
import type { WeightCodes } from "../weight-codes.js";

export const EXPERIMENT = { centred: true, search: true, refine: true, damping: 0.01, sweeps: 50, gptq: false, cd: true };

export function roundAdaptively(
  product: Pick<ConstantProduct, "outputs" | "terms" | "groups" | "outputsFirst">,
  float: Float32Array,
  nearest: WeightCodes,
  bottom: number,
  top: number,
  moments: SecondMoments,
): WeightCodes {
  const { outputs, terms, groups } = product;
  const blocks = momentBlocks(terms);
  const perGroup = Array.from({ length: groups }, (_, g) =>
    blocks.map((block, b) => hessian(moments, product, g, block, b)),
  );
  const codes = Int8Array.from(nearest.codes as Int8Array);
  const channels = nearest.channels.map((c) => ({ ...c }));
  for (let output = 0; output < outputs; output++) {
    const hs = perGroup[groupOfOutput(product, output)]!;
    const w = Float64Array.from({ length: terms }, (_, t) => float[weightPosition(product, output, t)]!);
    const perChannel = channels.length > 1 || outputs === 1;
    const affine = channels[channels.length > 1 ? output : 0]!;
    let best: { q: Int8Array; affine: Affine; error: number } | undefined;
    const factors = EXPERIMENT.search && perChannel ? [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5] : [1];
    for (const f of factors) {
      const a = { scale: Math.fround(affine.scale * f), zeroPoint: affine.zeroPoint };
      const q = new Int8Array(terms);
      let error = 0;
      blocks.forEach((block, b) => {
        error += round(w, q, a, bottom, top, block, hs[b]!);
      });
      if (best === undefined || error < best.error) best = { q, affine: a, error };
    }
    for (let t = 0; t < terms; t++) codes[weightPosition(product, output, t)] = best!.q[t]!;
    if (perChannel) channels[channels.length > 1 ? output : 0] = best!.affine as { scale: number; zeroPoint: number };
  }
  return { codes, channels };
}

function hessian(moments: SecondMoments, { terms }: { terms: number }, g: number, { start, size }: MomentBlock, b: number): Float64Array {
  const h = Float64Array.from(moments.matrices[b]!.subarray(g * size * size, (g + 1) * size * size));
  if (EXPERIMENT.centred) {
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        h[i * size + j]! -= moments.means[g * terms + start + i]! * moments.means[g * terms + start + j]!;
  }
  let trace = 0;
  for (let i = 0; i < size; i++) trace += h[i * size + i]!;
  const damp = EXPERIMENT.damping * (trace / size) + 1e-12;
  for (let i = 0; i < size; i++) h[i * size + i]! += damp;
  return h;
}

function round(w: Float64Array, q: Int8Array, { scale, zeroPoint }: Affine, bottom: number, top: number, { start, size }: MomentBlock, h: Float64Array): number {
  const e = new Float64Array(size);
  const clamp = (c: number) => Math.min(top, Math.max(bottom, Math.round(c) + zeroPoint));
  for (let i = 0; i < size; i++) {
    q[start + i] = clamp(w[start + i]! / scale);
    e[i] = w[start + i]! - (q[start + i]! - zeroPoint) * scale;
  }
  const g = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    if (e[i] === 0) continue;
    for (let j = 0; j < size; j++) g[j]! += e[i]! * h[i * size + j]!;
  }
  if (EXPERIMENT.cd)
  for (let sweep = 0; sweep < EXPERIMENT.sweeps; sweep++) {
    let changed = false;
    for (let i = 0; i < size; i++) {
      const current = (q[start + i]! - zeroPoint) * scale;
      const code = clamp((current + g[i]! / h[i * size + i]!) / scale);
      const delta = (code - q[start + i]!) * scale;
      if (delta === 0) continue;
      changed = true;
      q[start + i] = code;
      e[i]! -= delta;
      for (let j = 0; j < size; j++) g[j]! -= delta * h[i * size + j]!;
    }
    if (!changed) break;
  }
  let error = 0;
  for (let i = 0; i < size; i++) error += e[i]! * g[i]!;
  return error;
}
