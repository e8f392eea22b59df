import { createCollectorHandler } from "../../../functions/collector/handler.js";
import { createCoordinatorHandler } from "../../../functions/coordinator/handler.js";
import { createEvaluatorHandler } from "../../../functions/evaluator/handler.js";
import { InProcessQueue } from "../../../shared/queues/in-process-queue.js";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { InProcessTickSwitch } from "../../../test/functions/in-process-tick-switch.js";
import { keepLog, keepMetrics, toEvent } from "../../../test/functions/lambda-events.js";
import { answerToyJob } from "../../../test/run/toy-model.js";
import { toyStudy } from "../../../test/run/toy-study.js";
import type { MessageInput, Problem } from "./inputs/fuzz-input.js";
import { FUZZ_REQUEST, RUN, SCHEDULE } from "./inputs/recorded-messages.js";
import { problemOf } from "./problem.js";

const HOUR = 3_600_000;
const REPORTER = { worker: "w", isa: "isa-a", at: 100 };
/** Size limit of the queues, large enough that the function itself reports messages that are too large. */
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

/**
 * Invokes a function with messages, with queues and a store in this process. Returns what it logged or threw.
 */
export async function handleMessages({ to, stored, bodies }: MessageInput): Promise<readonly Problem[]> {
  const queue = (kind: "standard" | "fifo") =>
    new InProcessQueue({ kind, visibilityMilliseconds: HOUR, maxMessageBytes: MAX_MESSAGE_BYTES });
  const store = new MemoryObjectStore();
  for (const [key, bytes] of stored) await store.put(key, bytes);
  const log = keepLog();
  const metrics = keepMetrics();
  const queues = {
    jobs: queue("standard"),
    statisticsJobs: queue("standard"),
    events: queue("fifo"),
    deadLetters: queue("fifo"),
  };
  const own = to === "coordinator" ? queues.events : queues.jobs;
  const context = { getRemainingTimeInMillis: () => HOUR };
  const workers = {
    run: async (job: Job) => (job.runId === RUN ? answer(job) : undefined),
    started: async () => undefined,
    prepare: async (runId: string) => runId === RUN,
    close: async () => undefined,
  };
  const common = { ...queues, store, log, metrics, now: () => REPORTER.at };
  try {
    await own.send(bodies.map((body, i) => ({ body, group: groupOf(body), deduplication: `${i}` })));
    const event = toEvent(await own.receive({ max: 10, waitMilliseconds: 0 }));
    if (to === "coordinator") {
      const tick = new InProcessTickSwitch(async () => ({ batchItemFailures: [] }));
      const openStudy = async (runId: string) => (runId === RUN ? toyStudy : undefined);
      await createCoordinatorHandler({ ...common, tick, openStudy })(event);
    } else {
      const create = to === "evaluator" ? createEvaluatorHandler : createCollectorHandler;
      await create({ ...common, workers, leaseMilliseconds: HOUR })(event, context);
    }
  } catch (error) {
    return [problemOf(error, "thrown")];
  }
  return log.errors.map((error) => problemOf(error, "reported"));
}

/** Runs a job of the toy run; mutated messages may ask for something that the toy model does not have. */
function answer(job: Job): JobReport {
  try {
    return answerToyJob(FUZZ_REQUEST, job, REPORTER);
  } catch (error) {
    return failureReport(job, error, REPORTER);
  }
}

/** The message group in which a valid message would be sent. */
function groupOf(body: string): string {
  try {
    const { runId, schedule } = JSON.parse(body) as { readonly runId?: unknown; readonly schedule?: unknown };
    return String(runId ?? schedule ?? SCHEDULE).slice(0, 128) || RUN;
  } catch {
    return RUN;
  }
}
