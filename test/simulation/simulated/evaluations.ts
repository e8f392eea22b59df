import { isDeepStrictEqual } from "node:util";
import type { JobReport, TrialJob, TrialReported } from "../../../shared/run/protocol/messages.js";
import { finishClaimKey, scoresName, trialClaimKey } from "../../../shared/run/protocol/record-keys.js";
import type { ClaimedReport } from "../../../shared/run/store/claim.js";
import { assertInvariant } from "../invariant.js";
import { attemptOfReport, nameWork } from "./work.js";

type Claim = { readonly nonce: string } & (
  | { readonly state: "working"; readonly until: number }
  | { readonly state: "answered"; readonly report: ClaimedReport }
);

/** A worker's execution of a trial job. */
export interface Evaluation {
  readonly job: TrialJob;
  /** Identifies the worker's claim. */
  readonly nonce: string;
  /**
   * Whether it was reported as failed, or by a worker of another instruction set, and so has to be repeated.
   */
  void: boolean;
}

/** Executions of trial jobs, and the claims on them as they are stored. */
export class Evaluations {
  /** Number of executions started. */
  begun = 0;
  readonly #byWork = new Map<string, Evaluation[]>();
  readonly #claims = new Map<string, Claim>();
  /** End of each claim's lease, by nonce. */
  readonly #leases = new Map<string, number>();
  /** When claims were taken over by other workers, by nonce. */
  readonly #overtaken = new Map<string, number>();
  readonly #answers = new Map<string, TrialReported>();

  /** Called when a claim has been stored. */
  claimWritten(key: string, body: Uint8Array, now: number): void {
    const claim: Claim = JSON.parse(Buffer.from(body).toString("utf8"));
    const earlier = this.#claims.get(key);
    if (earlier !== undefined && earlier.nonce !== claim.nonce) this.#overtaken.set(earlier.nonce, now);
    if (claim.state === "working") this.#leases.set(claim.nonce, claim.until);
    this.#claims.set(key, claim);
  }

  /**
   * Called when a worker starts an execution.
   *
   * @param taken when the worker received the job
   */
  executionStarted(job: TrialJob, nonce: string, taken: number, now: number): Evaluation {
    this.begun++;
    const work = nameWork(job.trial, job.shard.index);
    const earlier = this.#byWork.get(work) ?? [];
    const evaluation: Evaluation = { job, nonce, void: false };
    this.#byWork.set(work, [...earlier, evaluation]);
    assertInvariant(
      taken <= job.deadline,
      `a worker took attempt ${job.attempt} of ${work}, which was overdue`,
    );
    // A worker that was suspended since it claimed the job learns of it with its first extension.
    if (now >= job.deadline || this.#overtaken.has(nonce)) return evaluation;
    for (const { job: first, nonce: other, void: isVoid } of earlier) {
      const until = this.#leases.get(other) ?? 0;
      assertInvariant(
        isVoid || now >= until || now >= first.deadline,
        `${work} is evaluated again (attempt ${job.attempt}) at ${now} although attempt ${first.attempt} has its lease until ${until} and is not overdue before ${first.deadline}`,
      );
    }
    return evaluation;
  }

  /**
   * Called when a worker ends an execution.
   *
   * @param notice maximum time that a worker may work on a job after another one has claimed it
   */
  executionEnded(
    evaluation: Evaluation,
    answer: TrialReported,
    ownTimeSince: (time: number) => number,
    notice: number,
  ): void {
    const { job, nonce } = evaluation;
    const overtaken = this.#overtaken.get(nonce);
    const wasted = overtaken === undefined ? 0 : ownTimeSince(overtaken);
    assertInvariant(
      wasted <= notice,
      `attempt ${job.attempt} of trial ${job.trial} was worked on for ${wasted} ms after another worker had claimed it`,
    );
    const { trial, shard, outcome } = answer;
    if (outcome.state === "failed" || evaluation.void) return;
    this.#answers.set(`${nameWork(trial, shard.index)}/${scoresName(outcome.rows)}`, answer);
  }

  /** Called when a worker sends a report. */
  reportSent(report: JobReport): void {
    if (report.type === "StatisticsReported") return;
    const claim = this.#claims.get(claimKeyOf(report));
    assertInvariant(
      claim?.state === "answered" && isDeepStrictEqual(claim.report, report),
      `attempt ${attemptOfReport(report)} was reported by a worker whose answer does not lie in the claim`,
    );
    if (report.type !== "TrialReported" || report.outcome.state !== "failed") return;
    const { trial, shard, attempt } = report;
    for (const evaluation of this.#byWork.get(nameWork(trial, shard.index)) ?? [])
      if (evaluation.job.attempt === attempt) evaluation.void = true;
  }

  /** A stored answer, for the faultless run. */
  answerOf(trial: number, shard: number, scores: string): TrialReported | undefined {
    return this.#answers.get(`${nameWork(trial, shard)}/${scores}`);
  }
}

function claimKeyOf(report: ClaimedReport): string {
  const { runId, attempt } = report;
  return report.type === "FinishReported"
    ? finishClaimKey(runId, attempt)
    : trialClaimKey(runId, report.trial, report.shard, attempt);
}
