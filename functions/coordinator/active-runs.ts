import { runIdSchema } from "../../shared/run/identifiers.js";
import { hasEnded, type RunState } from "../../shared/run/state.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";

const PREFIX = "active/";

/**
 * Which runs have not ended: an object a run. It is written after the run's first save and removed after its
 * last, so that a run can be listed too long, which costs a tick, but not too short.
 */
export class ActiveRuns {
  readonly #known = new Set<string>();

  constructor(private readonly store: ObjectStore) {}

  async update(state: RunState): Promise<void> {
    const { runId } = state.request;
    if (hasEnded(state)) {
      await this.store.delete(`${PREFIX}${runId}`);
      this.#known.delete(runId);
    } else if (!this.#known.has(runId)) {
      await this.store.put(`${PREFIX}${runId}`, new Uint8Array());
      this.#known.add(runId);
    }
  }

  async list(): Promise<readonly string[]> {
    const runs: string[] = [];
    for await (const key of this.store.list(PREFIX)) {
      const parsed = runIdSchema.safeParse(key.slice(PREFIX.length));
      if (parsed.success) runs.push(parsed.data);
    }
    return runs;
  }
}
