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

/** The reducer with its commands carried out, and the jobs that it sent. */
export class Desk {
  readonly reduce: Reducer["reduce"];
  readonly sent: Job[] = [];
  #state: RunState | undefined;

  constructor(
    readonly request: RunRequest,
    study = toyStudy,
  ) {
    this.reduce = createReducer(study).reduce;
    this.hear(requested(request));
  }

  get state(): RunState {
    assert.ok(this.#state);
    return this.#state;
  }

  hear(event: RunEvent): readonly Job[] {
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

/** Answers the jobs one after the other, always the one that `pick` chooses, until the run ends. */
export function runToEnd(desk: Desk, pick: (open: number) => number = () => 0): readonly JobReport[] {
  const reports: JobReport[] = [];
  const open = [...desk.sent];
  for (let at = 1; open.length > 0; at++) {
    const [job] = open.splice(pick(open.length), 1);
    assert.ok(job);
    const report = desk.answer(job, at);
    reports.push(report);
    open.push(...desk.hear(report));
  }
  return reports;
}

/** Picks in an order that is given, for `runToEnd`. */
export function picker(picks: readonly number[]): (open: number) => number {
  let i = 0;
  return (open) => (picks[i++] ?? 0) % open;
}

/** A failure of an attempt, as its worker reports it. */
export function failure(trial: number, attempt: number, reason: string, at = 10): RunEvent {
  const outcome = { state: "failed", reason } as const;
  const shard = { index: 0, count: 1 };
  return { ...base, type: "TrialReported", trial, attempt, shard, worker: "w", isa: "isa-a", at, outcome };
}

/** A desk whose last job is of this trial. */
export function atTrial(number: number, options: ToyRequestOptions = {}): { desk: Desk; job: Job } {
  const desk = new Desk(toyRequest(options));
  for (let at = 1; ; at++) {
    const job = desk.sent.at(-1)!;
    if (job.type === "trial" && job.trial === number) return { desk, job };
    desk.hear(desk.answer(job, at));
  }
}
