import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { eventSchema, type TrialJob, type TrialReported } from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import type { Ready } from "../../../test/emulated/aws/execution-environment.js";
import { startEmulatedFleet } from "../../../test/emulated/emulated-fleet.js";
import { toEvent } from "../../../test/functions/lambda-events.js";
import { drawConfiguration } from "../../../test/run/toy-study.js";
import { status } from "../../fleet/following/runs.js";
import { submit } from "../../fleet/submission/submit.js";
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

/**
 * `npm run bench:init -- [--starts 15] [--model resnet20-cifar10]`: cold-start times of the functions'
 * bundles, each in a new process, with S3 and SQS emulated on this machine: of the coordinator until it can
 * handle an event, of the evaluator until it has answered a trial of one sample, with its temporary storage
 * filled by an earlier start. Then the overhead of trials on a warm evaluator, from invocation to answer,
 * relative to inference.
 *
 * Other load of the machine affects wall times, so processor time and the fastest start are printed too.
 */
const { values } = parseArgs({
  options: {
    starts: { type: "string", default: "15" },
    model: { type: "string", default: "resnet20-cifar10" },
  },
});
const STARTS = Number(values.starts);
const WARM_TRIALS = 12;
const ENVIRONMENT = fileURLToPath(
  new URL("../../../test/emulated/aws/execution-environment.js", import.meta.url),
);
const INVOCATION_MILLISECONDS = 900_000;

const scratch = await mkdtemp(join(tmpdir(), "quantfleet-init-"));
const fleet = await startEmulatedFleet(2);
try {
  await benchCoordinator();
  const folder = modelsFolder();
  if (folder === undefined) console.log("../shared/models is missing, so no evaluator can be measured.");
  else {
    const [model] = loadBenchModels(folder, [values.model]);
    if (model !== undefined) await benchEvaluator(model.configuration, model.directory);
  }
} finally {
  await fleet.close();
  await rm(scratch, { recursive: true, force: true });
}

async function start(
  bundle: "coordinator" | "evaluator",
): Promise<{ readonly child: ChildProcess; readonly ready: Ready }> {
  const { code, environment } = (bundle === "coordinator" ? fleet.coordinator : fleet.evaluators).options;
  const child = fork(ENVIRONMENT, [join(code, "index.js")], {
    env: { ...process.env, ...environment, TMPDIR: scratch },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [Ready];
  return { child, ready };
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function benchCoordinator(): Promise<void> {
  const starts: Ready[] = [];
  for (let i = 0; i < STARTS; i++) {
    const { child, ready } = await start("coordinator");
    starts.push(ready);
    await stop(child);
  }
  console.log(`coordinator, import of its bundle: ${describe(starts.map((ready) => ready.milliseconds))}`);
  console.log(`  on a processor: ${describe(starts.map((ready) => ready.processorMilliseconds))}`);
}

async function benchEvaluator(configuration: RunConfigurationInput, directory: string): Promise<void> {
  const single = await finishedRun("single", withSamples(configuration, 1), directory);
  const times: number[] = [];
  for (let i = 0; i <= STARTS; i++) {
    const at = performance.now();
    const { child } = await start("evaluator");
    await invoke(child, trialJob(single, 1_000 + i, single.base));
    // The first start is not counted, as it fills the temporary storage.
    if (i > 0) times.push(performance.now() - at);
    await stop(child);
  }
  console.log(`evaluator, process start to first sample scored: ${describe(times)}`);

  const whole = await finishedRun("whole", configuration, directory);
  const { child } = await start("evaluator");
  const shares: number[] = [];
  for (let i = 0; i < WARM_TRIALS; i++) {
    const at = performance.now();
    const { outcome } = await invoke(child, trialJob(whole, 1_000 + i, drawConfiguration(whole.space, i)));
    const seconds = (performance.now() - at) / 1_000;
    if (outcome.state === "failed") throw new Error(outcome.reason);
    // The first trials are not counted, as they fill the evaluator's caches.
    if (i >= WARM_TRIALS / 3) shares.push(100 * (seconds / outcome.timings.inference - 1));
  }
  await stop(child);
  console.log(`a trial on a warm evaluator, beyond inference: ${describe(shares, "%")}`);
}

function withSamples(configuration: RunConfigurationInput, samples: number): RunConfigurationInput {
  const { optimizer } = configuration;
  const params = { ...optimizer?.params, eval_subset_size: samples };
  return { ...configuration, optimizer: { ...optimizer, params } };
}

/** Prepares a run whose statistics, model and data are in the store. */
async function finishedRun(
  runId: string,
  configuration: RunConfigurationInput,
  directory: string,
): Promise<RunRequest> {
  await submit(fleet, { configuration, directory }, { runId, parallel: 1, maxTrials: 1 });
  for (;;) {
    const phase = await status(fleet, runId).then(
      (progress) => progress.phase,
      () => "unknown",
    );
    if (phase === "done" || phase === "failed") break;
    await sleep(250);
  }
  const request = await new RunRecords(fleet.store).readRequest(runId);
  if (request === undefined) throw new Error(`run ${runId} has no request`);
  return request;
}

function trialJob({ runId }: RunRequest, trial: number, configuration: Configuration): TrialJob {
  return {
    version: 1,
    type: "trial",
    runId,
    trial,
    attempt: 1,
    configuration,
    shard: { index: 0, count: 1 },
    measureLatency: false,
    deadline: 8.64e15,
  };
}

/**
 * Sends the evaluator a job in the form in which SQS delivers it, and reads the answer from the job's claim: the
 * stored object that holds a worker's lease and later its answer.
 */
async function invoke(child: ChildProcess, job: TrialJob): Promise<TrialReported> {
  const body = JSON.stringify(job);
  const message = { id: `job-${job.trial}`, body, receipt: `job-${job.trial}`, deliveries: 1, sentAt: 0 };
  child.send({ event: toEvent([message]), timeoutMilliseconds: INVOCATION_MILLISECONDS });
  await once(child, "message");
  const claim = await fleet.store.get(`runs/${job.runId}/claims/${job.trial}/0-1.json`);
  const { report } = JSON.parse(Buffer.from(claim?.body ?? []).toString("utf8")) as { report: unknown };
  const event = eventSchema.parse(report);
  if (event.type !== "TrialReported") throw new Error(`the evaluator answered with ${event.type}`);
  return event;
}

function describe(samples: readonly number[], unit = "ms"): string {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): string =>
    `${sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(1)} ${unit}`;
  return `median ${at(0.5)}, fastest ${at(0)}, slowest ${at(1)} of ${sorted.length}`;
}
