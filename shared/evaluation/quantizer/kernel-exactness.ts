import type { InferenceSession } from "onnxruntime-node";
import { Tensor } from "onnxruntime-node";
import type { Model } from "../../onnx/model/codec.js";
import type { FinishedCandidate } from "../../run/protocol/finish-summary.js";
import { toFeeds } from "../../runtime/feeds.js";
import { openSession, type SessionSettings } from "../../runtime/session.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { isolateProducts } from "./isolated-products.js";

/** Maximum number of calibration batches on which a model is compared with exact arithmetic. */
const COMPARED_BATCHES = 32;

/** Signal-to-noise ratio in decibels that is stated for equal outputs. */
const NO_DIFFERENCE = 200;

/**
 * Signal-to-noise ratio in decibels from which on two computations differ by rounding only: where exact
 * integers are rescaled, one code in a few thousand falls on the other side of a tie.
 */
const ROUNDING = 40;

type Exactness = NonNullable<FinishedCandidate["exactness"]>;

/**
 * Compares a quantized model as its session runs it with the same model computed exactly, node by node at optimization
 * level `disabled`, on calibration samples.
 *
 * @returns the signal-to-noise ratio of all float outputs in decibels, 200 where they are equal, and of each product
 * that, fed with exact inputs, differs by more than rounding; the furthest off first
 */
export async function measureExactness(
  model: Model,
  batches: CalibrationBatches,
  settings: SessionSettings,
): Promise<Exactness> {
  const count = Math.min(batches.count, COMPARED_BATCHES);
  const feeds = await Promise.all(
    Array.from({ length: count }, async (_, i) => toFeeds(await batches.batch(i))),
  );
  const differences = await compareSessions(model, feeds, settings);
  const decibels = decibelsOf([...differences.values()]);
  const products = decibels >= ROUNDING ? [] : await compareProducts(model, feeds, settings);
  return { decibels, batches: count, products };
}

/**
 * Compares each product (Conv, MatMul, Gemm) alone with its exact computation, fed with the values that the
 * exact model computes.
 */
async function compareProducts(
  model: Model,
  feeds: readonly InferenceSession.OnnxValueMapType[],
  settings: SessionSettings,
): Promise<Exactness["products"]> {
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

/**
 * Runs a model exactly and as its session runs it. Returns, by float output, the energy of the exact values
 * and of the differences to them, over all feeds.
 */
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

/**
 * Adds the energy of exact values and of differences to the sums; values whose difference is not finite, such
 * as those of a mask, are left out.
 */
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
