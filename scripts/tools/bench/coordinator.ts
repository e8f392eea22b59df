import { setTimeout as sleep } from "node:timers/promises";
import { InProcessQueue } from "../../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../../shared/run/coordinator.js";
import { jobSchema, type RunEvent, type TrialJob } from "../../../shared/run/protocol/messages.js";
import { SEGMENT_SIZE, scoresName, stateKey } from "../../../shared/run/protocol/record-keys.js";
import { NOTHING_SPENT } from "../../../shared/run/protocol/spend.js";
import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import type { Study } from "../../../shared/run/protocol/study.js";
import { RunRecords, storeScores } from "../../../shared/run/records/run-records.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type { ObjectStore, PutCondition } from "../../../shared/storage/object-store.js";
import { answerToyJob } from "../../../test/run/toy-model.js";
import {
  drawConfiguration,
  independentToyStudy,
  toyRequest,
  toyTpeStudy,
} from "../../../test/run/toy-study.js";

/**
 * Results per second that one coordinator handles in a large run, with a store latency of 20 ms, and the size
 * of its saved state: `node dist/scripts/tools/bench/coordinator.js [trials in parallel] [tpe]`. With 64
 * trials in parallel, the default, both a toy sampler and TPE are measured; with another number only the toy
 * sampler, unless `tpe` is given.
 */
const GROUPS = 200;
const FINISHED = 10_000;
/**
 * Limit on trials, low enough that the search is past its first trials (one per group), whose asks (proposals)
 * cost nothing.
 */
const MAX_TRIALS = 2 * FINISHED;
const DEFAULT_PARALLEL = 64;
const PARALLEL = Number(process.argv[2] ?? DEFAULT_PARALLEL);
const BATCH = 10;
const BATCHES = 200;
const STORE_MILLISECONDS = 20;

class SlowStore extends MemoryObjectStore {
  largestState = 0;
  milliseconds = 0;

  override async get(...args: Parameters<ObjectStore["get"]>) {
    if (this.milliseconds > 0) await sleep(this.milliseconds);
    return super.get(...args);
  }

  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    if (this.milliseconds > 0) await sleep(this.milliseconds);
    if (key === stateKey("toy")) this.largestState = Math.max(this.largestState, body.length);
    return super.put(key, body, condition);
  }
}

async function measure(name: string, study: Study): Promise<void> {
  const store = new SlowStore();
  const request = toyRequest({ groups: GROUPS, maxTrials: MAX_TRIALS, parallel: PARALLEL, samples: 1_000 });
  await writeLargeRun(store, request);
  store.milliseconds = STORE_MILLISECONDS;
  const jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 3_600_000 });
  const coordinator = new Coordinator({ store, jobs, study });

  const loadStart = performance.now();
  await coordinator.read("toy");
  const loadSeconds = (performance.now() - loadStart) / 1_000;
  let at = 2_000_000;
  const tick: RunEvent = { version: 1, runId: "toy", type: "Tick", at };
  const fillStart = performance.now();
  await coordinator.handle("toy", [tick]);
  const fillSeconds = (performance.now() - fillStart) / 1_000;
  const times: number[] = [];
  const cpuStart = process.cpuUsage();
  const filledState = store.largestState;
  store.largestState = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const messages = await jobs.receive({ max: BATCH, waitMilliseconds: 0 });
    const events = messages.map(({ body }) => {
      const job = jobSchema.parse(JSON.parse(body)) as TrialJob;
      return answerToyJob(request, job, { worker: "worker", isa: "isa", at: ++at });
    });
    for (const event of events) if (event.type === "TrialReported") await storeScores(store, event);
    const start = performance.now();
    await coordinator.handle("toy", events);
    times.push(performance.now() - start);
    for (const { receipt } of messages) await jobs.acknowledge(receipt);
  }
  const cpu = process.cpuUsage(cpuStart);
  const total = times.reduce((sum, time) => sum + time, 0);
  times.sort((a, b) => a - b);
  console.log(
    `${name}: ${((1_000 * BATCH * BATCHES) / total).toFixed(0)} results/s ` +
      `(${times[BATCHES >> 1]!.toFixed(1)} ms a batch of ${BATCH} in the median, ` +
      `${((cpu.user + cpu.system) / 1_000 / (BATCH * BATCHES)).toFixed(2)} ms of processor a result, the toy workers' included); ` +
      `largest state ${(store.largestState / 1_024).toFixed(1)} KiB, ` +
      `${(filledState / 1_024).toFixed(1)} KiB while ${PARALLEL} trials were asked for; ` +
      `read back in ${loadSeconds.toFixed(2)} s, first ${PARALLEL} trials asked in ${fillSeconds.toFixed(2)} s`,
  );
}

/** Writes the records of a run in which all but the last trials are done. */
async function writeLargeRun(store: ObjectStore, request: RunState["request"]): Promise<void> {
  const records = new RunRecords(store);
  await records.create(request);
  const finished = Array.from({ length: FINISHED }, (_, number) => finishedTrial(request, number));
  const sealedSegments = Math.floor(FINISHED / SEGMENT_SIZE);
  for (let segment = 0; segment < sealedSegments; segment++)
    await records.writeSegment(
      request,
      segment,
      finished.slice(segment * SEGMENT_SIZE, (segment + 1) * SEGMENT_SIZE),
    );
  const statistics = [{ state: "done", attempt: 1, result: { seconds: 1 } }] as const;
  const sensitivity = Object.fromEntries(Array.from({ length: GROUPS }, (_, g) => [`g${g}`, 0.123456]));
  const state: RunState = {
    request,
    phase: "search",
    startedAt: 0,
    lastAt: 1_000_000,
    pausedMilliseconds: 0,
    isa: "isa",
    statistics,
    sensitivity,
    asked: FINISHED,
    running: [],
    finished,
    sealedSegments,
    spend: NOTHING_SPENT,
  };
  await records.save(state, undefined);
}

function finishedTrial(request: RunState["request"], number: number): TrialRecord {
  const configuration = number === 0 ? null : drawConfiguration(request.space, number);
  const job: TrialJob = {
    version: 1,
    type: "trial",
    runId: "toy",
    trial: number,
    attempt: 1,
    configuration,
    shard: { index: 0, count: 1 },
    measureLatency: true,
    deadline: 0,
  };
  const report = answerToyJob(request, job, { worker: "worker", isa: "isa", at: number });
  if (report.type !== "TrialReported" || report.outcome.state === "failed") throw new Error("the toy failed");
  const { rows, samples, bytes, quantizedShare, latency, timings } = report.outcome;
  // The metric's values are spread below the float model's 0.95, like the trials of a real run.
  const metric = 0.95 - 0.1 * createRandomStream(2, number, "noise").uniform();
  const measurement = {
    metric,
    samples,
    bytes,
    quantizedShare,
    ...(latency === undefined ? {} : { latency }),
  };
  const times = { askedAt: number, endedAt: number + 1, seen: Math.max(0, number - PARALLEL), attempts: 1 };
  return {
    number,
    configuration,
    ...times,
    state: "complete",
    measurement,
    worker: "worker",
    timings,
    scores: [scoresName(rows)],
  };
}

await measure("toy sampler: what the coordinator itself takes", independentToyStudy);
if (PARALLEL === DEFAULT_PARALLEL || process.argv[3] === "tpe") await measure("TPE", toyTpeStudy);
