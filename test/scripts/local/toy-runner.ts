import { setTimeout as sleep } from "node:timers/promises";
import type { JobRunner } from "../../../scripts/local/job-runner.js";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { answerToyJob } from "../../run/toy-model.js";

/** Runs jobs on the toy model, in a few milliseconds per job. */
export class ToyRunner implements JobRunner {
  closed = false;
  readonly carriedOut: Job[] = [];

  constructor(
    readonly request: RunRequest,
    readonly slots: number,
    readonly milliseconds = 1,
  ) {}

  async run(job: Job, signal: AbortSignal): Promise<JobReport> {
    await sleep(this.milliseconds, undefined, { signal });
    this.carriedOut.push(job);
    return answerToyJob(this.request, job, { worker: "toy", isa: "toy", at: Date.now() });
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
