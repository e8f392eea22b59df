import type { InferenceSession } from "onnxruntime-node";
import { Tensor } from "onnxruntime-node";
import type { Model } from "../../onnx/model/codec.js";
import { toFeeds } from "../../runtime/feeds.js";
import { openSession, type SessionSettings } from "../../runtime/session.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { isolateProducts } from "./isolated-products.js";

/** How many calibration batches are compared at most. */
const COMPARED_BATCHES = 32;

/** Of equal outputs. */
const NO_DIFFERENCE = 200;

/**
 * From here on two computations differ by rounding: where exact integers are rescaled, a code in a few thousand falls on
 * the other side of a tie.
 */
const ROUNDING = 40;

/** How far the integer kernels that run a model are from computing it exactly. */
export interface KernelExactness {
  /** Signal to noise of all float outputs in decibels, 200 where they are equal. */
  readonly decibels: number;
  readonly batches: number;
  /** Products that differ by more than rounding, each fed with exact inputs; the furthest off first. */
  readonly products: readonly ProductExactness[];
}

export interface ProductExactness {
  readonly name: string;
  readonly type: string;
  readonly decibels: number;
}

/**
 * Compares a quantized model as its session runs it with the same model computed exactly, node by node at optimization
 * level `disabled`, on calibration samples.
 */
export async function measureExactness(
  model: Model,
  batches: CalibrationBatches,
  settings: SessionSettings,
): Promise<KernelExactness> {
  const count = Math.min(batches.count, COMPARED_BATCHES);
  const feeds = await Promise.all(
    Array.from({ length: count }, async (_, i) => toFeeds(await batches.batch(i))),
  );
  const differences = await compareSessions(model, feeds, settings);
  const decibels = decibelsOf([...differences.values()]);
  const products = decibels >= ROUNDING ? [] : await compareProducts(model, feeds, settings);
  return { decibels, batches: count, products };
}

/** Every product apart, with what the exact model feeds it. */
async function compareProducts(
  model: Model,
  feeds: readonly InferenceSession.OnnxValueMapType[],
  settings: SessionSettings,
): Promise<ProductExactness[]> {
  const { revealing, isolated, inputs, products } = isolateProducts(model);
  const session = await openSession(revealing, exactly(settings));
  const isolatedFeeds: InferenceSession.OnnxValueMapType[] = [];
  try {
    for (const feed of feeds) {
      const revealed = await session.run(feed);
      isolatedFeeds.push(Object.fromEntries(inputs.map(({ from, to }) => [to, revealed[from]!])));
    }
  } finally {
    await session.release();
  }
  const differences = await compareSessions(isolated, isolatedFeeds, settings);
  return products
    .map(({ name, type, output }) => ({ name, type, decibels: decibelsOf([differences.get(output)!]) }))
    .filter((product) => product.decibels < ROUNDING)
    .sort((a, b) => a.decibels - b.decibels);
}

interface Energies {
  signal: number;
  noise: number;
}

/** Energies of each float output, and of its difference, over all feeds. */
async function compareSessions(
  model: Model,
  feeds: readonly InferenceSession.OnnxValueMapType[],
  settings: SessionSettings,
): Promise<ReadonlyMap<string, Energies>> {
  const exact = await openSession(model, exactly(settings));
  const fused = await openSession(model, settings);
  const energies = new Map<string, Energies>();
  try {
    for (const feed of feeds) {
      const expected = await exact.run(feed);
      const given = await fused.run(feed);
      for (const [name, value] of Object.entries(expected)) {
        const other = given[name];
        if (!(value instanceof Tensor && other instanceof Tensor)) continue;
        if (!(value.data instanceof Float32Array && other.data instanceof Float32Array)) continue;
        const sum = energies.get(name) ?? { signal: 0, noise: 0 };
        energies.set(name, sum);
        addEnergies(sum, value.data, other.data);
      }
    }
  } finally {
    await exact.release();
    await fused.release();
  }
  return energies;
}

function exactly({ intraOpNumThreads }: SessionSettings): SessionSettings {
  return { graphOptimizationLevel: "disabled", intraOpNumThreads };
}

/** What is not finite in both, such as a mask, counts as equal. */
function addEnergies(sum: Energies, expected: Float32Array, given: Float32Array): void {
  expected.forEach((value, i) => {
    const difference = value - given[i]!;
    if (!Number.isFinite(difference)) return;
    sum.signal += value ** 2;
    sum.noise += difference ** 2;
  });
}

function decibelsOf(outputs: readonly Energies[]): number {
  const [signal, noise] = outputs.reduce(([s, n], sum) => [s + sum.signal, n + sum.noise], [0, 0]);
  if (noise === 0) return NO_DIFFERENCE;
  return Math.min(NO_DIFFERENCE, 10 * Math.log10(Math.max(signal, Number.MIN_VALUE) / noise));
}
