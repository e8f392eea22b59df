import { runIdSchema } from "../../shared/basics/identifiers.js";
import { hasEnded, type RunState } from "../../shared/run/protocol/state.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { TickSwitch } from "./tick-switch.js";

const PREFIX = "active/";

/**
 * Which runs have not ended: an object a run. It is written after the run's first save and removed after its
 * last, so that a run can be listed too long, which costs a tick, but not too short.
 *
 * The Tick is turned on after a run was listed. Whoever finds that none is listed turns it off, and then looks again:
 * a run that was listed in between has either seen the Tick off and turned it on, or is seen now. A coordinator that
 * dies on the way has not acknowledged its events, and whoever is handed them does the same.
 */
export class ActiveRuns {
  readonly #known = new Set<string>();

  constructor(
    private readonly store: ObjectStore,
    private readonly tick: TickSwitch,
  ) {}

  /** @param isResumed whether another coordinator may have ended the run since this one listed it */
  async update(state: RunState, isResumed = false): Promise<void> {
    const { runId } = state.request;
    if (isResumed) this.#known.delete(runId);
    if (hasEnded(state)) await this.strike(runId);
    else if (!this.#known.has(runId)) {
      await this.store.put(`${PREFIX}${runId}`, new Uint8Array());
      await this.tick.turnOn();
      this.#known.add(runId);
    }
  }

  /** Takes a run from the list. */
  async strike(runId: string): Promise<void> {
    await this.store.delete(`${PREFIX}${runId}`);
    this.#known.delete(runId);
    await this.#settleTick();
  }

  /** The runs that are to hear that time has passed; where there are none, it was the last Tick. */
  async heedTick(): Promise<readonly string[]> {
    const runs = await this.#list();
    if (runs.length === 0) await this.#settleTick();
    return runs;
  }

  async #settleTick(): Promise<void> {
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
