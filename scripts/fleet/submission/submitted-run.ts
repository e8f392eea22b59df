import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { tuningStudy } from "../../../shared/run/protocol/tuning-study.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { requireOwnResult, requireWritable } from "../../api/output-folder.js";
import { readEndedState, writeEndedResult } from "../following/ended-run.js";
import { type FollowOptions, followRun } from "../following/follow.js";
import { FollowedRun } from "../following/followed-run.js";
import type { ReadOptions } from "../following/open-run.js";
import type { RunView } from "../following/run-view.js";
import type { FetchOptions } from "../following/runs.js";

/**
 * A run that this process has submitted. It already has the model, data and metric, so following the run and
 * writing its result does not fetch them.
 */
export class SubmittedRun {
  readonly #followed: FollowedRun;

  /** @param hash hash of the run's configuration */
  constructor(
    private readonly store: ObjectStore,
    readonly runId: string,
    private readonly workload: Workload,
    private readonly hash: string,
  ) {
    this.#followed = new FollowedRun(store, runId, async () => tuningStudy(workload.metric));
  }

  /** Yields the run's progress and latest trials until it has ended, as the function `follow`. */
  follow(options: Omit<FollowOptions, keyof ReadOptions> = {}): AsyncGenerator<RunView, void, undefined> {
    return followRun(this.#followed, this.runId, options);
  }

  /**
   * Writes the run's result into a folder, as the function `fetchResult`.
   * @throws {UsageError} when the folder holds the result of another run
   * @throws {QuantfleetError} when the run has not ended, or failed
   */
  async fetchResult(out: string, { force = false }: Pick<FetchOptions, "force"> = {}): Promise<RunResult> {
    await requireWritable(out);
    if (!force) await requireOwnResult(out, this.runId);
    const ended = await readEndedState(this.#followed, this.runId);
    return writeEndedResult(ended, { out, workload: this.workload, hash: this.hash, store: this.store });
  }
}
