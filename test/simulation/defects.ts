import type { Safeguard } from "../../shared/basics/safeguard.js";
import type { Study } from "../../shared/run/protocol/study.js";

/** A deviation of a simulated run from what its checks expect, made without the code under test. */
export interface Deviation {
  /** The budget that the audit knows, divided by the run's own. */
  readonly auditedBudgetRatio?: number;
  /** Whether the sampler's proposals depend on the number of its calls, and not only on the trials. */
  readonly hasStatefulSampler?: boolean;
}

/** Defects that no safeguard prevents, and that the simulation must notice too. */
export const DEVIATIONS = {
  "half-over-budget": { auditedBudgetRatio: 1 / 1.5 },
  "tenth-under-budget": { auditedBudgetRatio: 1 / 0.9 },
  "stateful-sampler": { hasStatefulSampler: true },
} as const satisfies Record<string, Deviation>;

/** What `npm run simulate -- --defect NAME` runs with: a safeguard that is switched off, or a deviation. */
export type Defect = Safeguard | keyof typeof DEVIATIONS;

/** The study with a sampler whose proposals depend on the number of calls since it was created. */
export function withStatefulSampler(study: Study): Study {
  return {
    ...study,
    createSampler(request, sensitivity) {
      let calls = 0;
      const sampler = study.createSampler(request, sensitivity);
      return {
        ask: (trial) => sampler.ask(trial + 1_000 * ++calls),
        started: (trial, configuration) => sampler.started(trial, configuration),
        tell: (trial) => sampler.tell(trial),
      };
    },
  };
}
