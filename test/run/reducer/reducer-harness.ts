import assert from "node:assert/strict";
import {
  type Job,
  type JobReport,
  MESSAGE_VERSION,
  type RunEvent,
} from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { type Command, markCarriedOut } from "../../../shared/run/reducer/pending-commands.js";
import { createReducer, type Reducer } from "../../../shared/run/reducer/reducer.js";
import { answerToyJob } from "../toy-model.js";
import { type ToyRequestOptions, toyRequest, toyStudy } from "../toy-study.js";

export const base = { version: MESSAGE_VERSION, runId: "toy" } as const;
export const requested = (request: RunRequest, at = 0): RunEvent => ({
  ...base,
  type: "RunRequested",
  at,
  request,
});
export const tick = (at: number): RunEvent => ({ ...base, type: "Tick", at });

function jobsOf(commands: readonly Command[]): readonly Job[] {
  return commands.flatMap((command) => (command.type === "WriteRecord" ? [] : [command.job]));
}

/** The reducer with its commands marked as carried out, and the jobs that it sent. */
export class ReducerHarness {
  readonly reduce: Reducer["reduce"];
  readonly sent: Job[] = [];
  #state: RunState | undefined;

  constructor(
    readonly request: RunRequest,
    study = toyStudy,
  ) {
    this.reduce = createReducer(study).reduce;
    this.apply(requested(request));
  }

  get state(): RunState {
    assert.ok(this.#state);
    return this.#state;
  }

  apply(event: RunEvent): readonly Job[] {
    const { state, commands } = this.reduce(this.#state, event);
    assert.ok(state);
    this.#state = markCarriedOut(state, commands);
    const jobs = jobsOf(commands);
    this.sent.push(...jobs);
    return jobs;
  }

  answer(job: Job, at: number, isa = "isa-a"): JobReport {
    return answerToyJob(this.request, job, { worker: "w", isa, at });
  }
}

/** Answers the jobs one after another, in the order chosen by `pick`, until the run ends. */
export function runToEnd(
  harness: ReducerHarness,
  pick: (open: number) => number = () => 0,
): readonly JobReport[] {
  const reports: JobReport[] = [];
  const open = [...harness.sent];
  for (let at = 1; open.length > 0; at++) {
    const [job] = open.splice(pick(open.length), 1);
    assert.ok(job);
    const report = harness.answer(job, at);
    reports.push(report);
    open.push(...harness.apply(report));
  }
  return reports;
}

/** An order of answers for `runToEnd`, given as positions among the open jobs. */
export function picker(picks: readonly number[]): (open: number) => number {
  let i = 0;
  return (open) => (picks[i++] ?? 0) % open;
}

/** A worker's report of a failed attempt. */
export function failure(trial: number, attempt: number, reason: string, at = 10): RunEvent {
  const outcome = { state: "failed", reason } as const;
  const shard = { index: 0, count: 1 };
  return { ...base, type: "TrialReported", trial, attempt, shard, worker: "w", isa: "isa-a", at, outcome };
}

/** A harness whose last sent job is of this trial. */
export function atTrial(
  number: number,
  options: ToyRequestOptions = {},
): { harness: ReducerHarness; job: Job } {
  const harness = new ReducerHarness(toyRequest(options));
  for (let at = 1; ; at++) {
    const job = harness.sent.at(-1)!;
    if (job.type === "trial" && job.trial === number) return { harness, job };
    harness.apply(harness.answer(job, at));
  }
}
