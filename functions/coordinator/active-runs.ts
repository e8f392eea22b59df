import { runIdSchema } from "../../shared/basics/identifiers.js";
import { safeguard } from "../../shared/basics/safeguard.js";
import { hasEnded, type RunState } from "../../shared/run/protocol/state.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { TickSwitch } from "./tick-switch.js";

const PREFIX = "active/";

/**
 * The stored list of runs that have not ended, one object per run. A run is listed after its first save and
 * unlisted after its last, so it may be listed too long, which costs a needless Tick (the periodic event that
 * makes the coordinator check deadlines), but never too short.
 *
 * The Tick's schedule is enabled after a run was listed. A coordinator that finds the list empty disables the
 * schedule and then checks the list again: a run that was listed in between either enabled the schedule after
 * that, or is found by the check. A coordinator that dies in between has not acknowledged its events, and the
 * one that receives them repeats the steps.
 */
export class ActiveRuns {
  readonly #known = new Set<string>();

  constructor(
    private readonly store: ObjectStore,
    private readonly tick: TickSwitch,
  ) {}

  /**
   * Adds a run to the list, or removes one that has ended.
   *
   * @param isResumed whether the run was resumed: another coordinator may have unlisted it since this one
   * listed it
   */
  async update(state: RunState, isResumed = false): Promise<void> {
    const { runId } = state.request;
    if (isResumed) this.#known.delete(runId);
    if (hasEnded(state) && safeguard("ended-runs-are-unlisted")) await this.remove(runId);
    else if (!this.#known.has(runId)) {
      await this.store.put(`${PREFIX}${runId}`, new Uint8Array());
      await this.tick.turnOn();
      this.#known.add(runId);
    }
  }

  /** Removes a run from the list, and disables the Tick's schedule if no other run is listed. */
  async remove(runId: string): Promise<void> {
    await this.store.delete(`${PREFIX}${runId}`);
    this.#known.delete(runId);
    await this.#updateSchedule();
  }

  /**
   * Returns the ids of the runs to send a Tick to; if there are none, the schedule that sends Ticks is
   * disabled.
   */
  async listForTick(): Promise<readonly string[]> {
    const runs = await this.#list();
    if (runs.length === 0) await this.#updateSchedule();
    return runs;
  }

  async #updateSchedule(): Promise<void> {
    if ((await this.#list()).length === 0) {
      await this.tick.turnOff();
      if ((await this.#list()).length === 0) return;
    }
    await this.tick.turnOn();
  }

  async #list(): Promise<readonly string[]> {
    const runs: string[] = [];
    for await (const key of this.store.list(PREFIX)) {
      const parsed = runIdSchema.safeParse(key.slice(PREFIX.length));
      if (parsed.success) runs.push(parsed.data);
    }
    return runs;
  }
}
