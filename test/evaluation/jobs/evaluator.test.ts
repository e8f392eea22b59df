import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { loadConfiguration } from "../../../scripts/api/configuration.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { requireSupported } from "../../../shared/configuration/supported.js";
import { Evaluator } from "../../../shared/evaluation/jobs/evaluator.js";
import { runStatisticsJob } from "../../../shared/evaluation/jobs/gather-statistics.js";
import { loadWorkload, type Workload } from "../../../shared/evaluation/workload/workload.js";
import {
  type EarlyStoppingReference,
  MESSAGE_VERSION,
  type StatisticsJob,
  type TrialJob,
} from "../../../shared/run/protocol/messages.js";
import { scoresKey, scoresName } from "../../../shared/run/protocol/record-keys.js";
import { packRows, unpackRows } from "../../../shared/run/protocol/rows.js";
import { ExclusiveGate } from "../../../shared/runtime/exclusive-gate.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { pairedDifferences, upperConfidenceBound } from "../../../shared/search/trials/early-stopping.js";
import { readStatistics } from "../../../shared/statistics/shard-store.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { DEMO, demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";
import { configurationAt } from "../../quantization/configurations.js";

const SIZE = { trials: 1, calibration: 11, evaluation: 512 };
const FLOAT_SCORES = "runs/test/scores/float";
const PEER_SCORES = "runs/r/scores/peer";

async function workloadOf(input: RunConfigurationInput): Promise<Workload> {
  const { configuration, directory } = await loadConfiguration({ configuration: input });
  requireSupported(configuration, "tune");
  return loadWorkload(configuration, directory, async () => store);
}

const store = new MemoryObjectStore();
const workload = await workloadOf(await demoConfiguration(SIZE));
const { statisticsKey, subject } = workload;

const evaluators: Evaluator[] = [];
const sensitivities: Readonly<Record<string, number>>[] = [];
after(() => Promise.all(evaluators.map((evaluator) => evaluator.release())));

/** An evaluator with statistics gathered in this many shards. */
async function evaluatorWith(shards: number, of: Workload = workload): Promise<Evaluator> {
  const evaluator = new Evaluator({ workload: of, store, statistics: { store, shards } });
  evaluators.push(evaluator);
  for (let index = 0; index < shards; index++) {
    const statisticsJob: StatisticsJob = {
      version: MESSAGE_VERSION,
      type: "statistics",
      runId: "test",
      attempt: 1,
      shard: { index, count: shards },
      key: of.statisticsKey,
      deadline: 0,
    };
    const { outcome } = await runStatisticsJob(statisticsJob, {
      workload: of,
      statistics: store,
      now: () => 0,
    });
    assert.ok(outcome.state === "complete");
    // Sensitivity needs all shards, so that the job that finds them complete reports it.
    if (index === shards - 1) sensitivities.push(outcome.sensitivity!);
  }
  return evaluator;
}

function job(trialConfiguration: Configuration | null, race?: EarlyStoppingReference): TrialJob {
  return {
    version: MESSAGE_VERSION,
    type: "trial",
    runId: "test",
    trial: 1,
    attempt: 1,
    configuration: trialConfiguration,
    shard: { index: 0, count: 1 },
    ...(race === undefined ? {} : { race }),
    measureLatency: false,
    deadline: 0,
  };
}

describe("Statistics", () => {
  test("gathered in shards are bit for bit those of one pass", async () => {
    await evaluatorWith(1);
    await evaluatorWith(3);
    const whole = (await readStatistics(store, statisticsKey, 1))!;
    const joined = (await readStatistics(store, statisticsKey, 3))!;
    assert.deepEqual(joined.encode(), whole.encode());
    assert.equal(whole.samples, SIZE.calibration);
  });

  test("come with the sensitivity of each group, the same from any number of shards", async () => {
    const first = sensitivities.length;
    await evaluatorWith(2);
    await evaluatorWith(4);
    const [two, four] = sensitivities.slice(first);
    assert.deepEqual(new Set(Object.keys(two!)), new Set(subject.layout.groups.keys()));
    assert.deepEqual(four, two);
  });
});

describe("With the algorithms beside the quantization", () => {
  test("statistics in shards are those of one pass, and trials are corrected by them", async () => {
    const demo = await demoConfiguration(SIZE);
    const plain = demo.compression?.algorithms ?? [];
    const algorithms = [
      { name: "ActivationChannelAlignment" },
      ...plain,
      { name: "FastBiasCorrection" },
    ] as const;
    const corrected = await workloadOf({
      ...demo,
      compression: { ...demo.compression, algorithms: [...algorithms] },
    });
    assert.notEqual(corrected.statisticsKey, statisticsKey);
    const [whole, sharded] = [await evaluatorWith(1, corrected), await evaluatorWith(3, corrected)];
    assert.deepEqual(
      (await readStatistics(store, corrected.statisticsKey, 3))!.encode(),
      (await readStatistics(store, corrected.statisticsKey, 1))!.encode(),
    );
    const base = job(corrected.subject.space.base);
    const { rows } = await whole.scoreTrial(base);
    assert.deepEqual((await sharded.scoreTrial(base)).rows, rows);
    const uncorrected = await (await evaluatorWith(1)).scoreTrial(base);
    assert.notDeepEqual(rows, uncorrected.rows);
  });
});

describe("Trials", async () => {
  const evaluator = await evaluatorWith(2);
  const score = async (trial: TrialJob) => {
    const outcome = await evaluator.scoreTrial(trial);
    return { ...outcome, values: unpackRows(outcome.rows) };
  };
  const float = await score(job(null));
  await store.put(FLOAT_SCORES, Buffer.from(JSON.stringify(float.rows)));
  const race: EarlyStoppingReference = { referenceScores: FLOAT_SCORES, peerScores: [], delta: 0.1 };
  const space = subject.space.parameters;
  const configurations = [
    subject.space.base,
    ...[0.1, 0.35, 0.6, 0.9].map((draw) =>
      configurationAt(space, [draw, (draw * 7) % 1, (draw * 13) % 1, (draw * 29) % 1, (draw * 31) % 1]),
    ),
    // Everything in float but the first group: as good as the float model, so that early stopping lets it finish.
    Object.fromEntries(
      space.filter(({ name }) => name.endsWith("/quantize")).map(({ name }, i) => [name, i === 0]),
    ),
  ];

  test("that are not stopped early have the same scores as without early stopping, stopped ones the first of them", async () => {
    const states = new Set<string>();
    for (const trial of configurations) {
      const alone = await score(job(trial));
      const raced = await score(job(trial, race));
      assert.equal(alone.state, "complete");
      assert.equal(alone.samples, SIZE.evaluation);
      assert.deepEqual(raced.values, alone.values.subarray(0, raced.samples));
      assert.equal(raced.state, raced.samples === SIZE.evaluation ? "complete" : "pruned");
      states.add(raced.state);
    }
    assert.ok(states.has("complete"), "some trial is let through");
  });

  test("that are wrong on almost all samples are stopped at the first look, after 64 samples", async () => {
    const shifted = await demoConfiguration(SIZE);
    const labels = { data: join(DEMO, "y.npy"), rows: [1, SIZE.evaluation + 1] as [number, number] };
    const hopeless = new Evaluator({
      workload: await workloadOf({
        ...shifted,
        engine: { ...shifted.engine, evaluation: { ...shifted.engine.evaluation, labels } },
      }),
      store,
      statistics: { store, shards: 2 },
    });
    evaluators.push(hopeless);
    const outcome = await hopeless.scoreTrial(job(subject.space.base, race));
    assert.equal(outcome.state, "pruned");
    assert.equal(outcome.samples, 64);
    const rows = unpackRows(outcome.rows);
    const reachable = (reference: ArrayLike<number>): number =>
      upperConfidenceBound(pairedDifferences(rows, reference), SIZE.evaluation, 2, race.delta);
    assert.equal(outcome.reachable, reachable(float.values));

    // Beside a trial that is right nowhere, everyone stands better against the mean, and no better against float.
    const nowhere = new Float32Array(SIZE.evaluation);
    await store.put(PEER_SCORES, Buffer.from(JSON.stringify(packRows(nowhere, 1))));
    const among = await hopeless.scoreTrial(
      job(subject.space.base, { ...race, peerScores: [PEER_SCORES, "runs/r/scores/missing"] }),
    );
    assert.equal(among.samples, 64);
    const half = float.values.map((row) => row / 2);
    const meanOfHalf = half.reduce((sum, row) => sum + row, 0) / SIZE.evaluation;
    assert.ok(Math.abs(among.reachable! - (reachable(half) - meanOfHalf)) < 1e-12);
  });

  test("are compared with rows that this evaluator scored without reading the store", async () => {
    const trial = job(subject.space.base);
    const { rows } = await score(trial);
    const scoredHere = scoresKey(trial.runId, trial.trial, 0, scoresName(rows));
    assert.equal(await store.get(scoredHere), undefined);
    const hopeless = configurations.at(1)!;
    const against = (peer: string) => score(job(hopeless, { ...race, peerScores: [peer] }));
    const [known, missing] = [await against(scoredHere), await against("runs/r/scores/missing")];
    await store.put(PEER_SCORES, Buffer.from(JSON.stringify(rows)));
    assert.deepEqual(known.reachable, (await against(PEER_SCORES)).reachable);
    assert.notDeepEqual(known.reachable, missing.reachable);
  });

  test("scored in shards have the rows of one pass", async () => {
    const whole = await score(job(subject.space.base));
    const parts: number[] = [];
    for (let index = 0; index < 3; index++) {
      const part = await score({ ...job(subject.space.base), shard: { index, count: 3 } });
      parts.push(...part.values);
    }
    assert.deepEqual(Float32Array.from(parts), whole.values);
  });

  test("are timed in turn with the float model, with the benchmark's number of threads", async () => {
    const asked = await demoConfiguration(SIZE, { benchmark: { duration_seconds: 0.05, nthreads: 2 } });
    const timing = new Evaluator({
      workload: await workloadOf(asked),
      store,
      statistics: { store, shards: 2 },
      gate: new ExclusiveGate(ExclusiveGate.buffer(1), 0),
    });
    evaluators.push(timing);
    const { latency, state } = await timing.scoreTrial({ ...job(subject.space.base), measureLatency: true });
    assert.equal(state, "complete");
    assert.ok(latency !== undefined && latency.ratio > 0 && Number.isFinite(latency.noise));
  });

  test("of the float model have the size of its file and a quantized share of zero", async () => {
    const base = await score(job(subject.space.base));
    assert.equal(float.bytes, (await stat(join(DEMO, "model.onnx"))).size);
    assert.ok(base.bytes < float.bytes);
    assert.deepEqual(float.quantizedShare, { byCount: 0, byParameters: 0 });
    assert.deepEqual(base.quantizedShare, { byCount: 1, byParameters: 1 });
  });
});
