/** What Optuna reaches, from scripts/bench/peers/optuna_search.py; medians of 20 seeds. */
export interface OptunaReference {
  readonly problem: string;
  readonly batch: number;
  /** From coordinate descent with restarts on the true tables (README of ../shared/anchors/search). */
  readonly bestKnown: number;
  readonly after200: number;
}

export const OPTUNA_REFERENCE: readonly OptunaReference[] = [
  { problem: "flat-25x4", batch: 1, bestKnown: 0.04802, after200: 0.17756 },
  { problem: "flat-50x6", batch: 1, bestKnown: -0.34495, after200: 0.31395 },
  { problem: "conditional-40", batch: 1, bestKnown: 0.12739, after200: 0.24357 },
  { problem: "noisy-50x6", batch: 1, bestKnown: -0.29329, after200: 0.48671 },
  { problem: "flat-120x4", batch: 1, bestKnown: -0.25142, after200: 1.49431 },
  { problem: "flat-25x4", batch: 32, bestKnown: 0.04802, after200: 0.23067 },
  { problem: "flat-50x6", batch: 32, bestKnown: -0.34495, after200: 0.39648 },
  { problem: "conditional-40", batch: 32, bestKnown: 0.12739, after200: 0.25428 },
  { problem: "noisy-50x6", batch: 32, bestKnown: -0.29329, after200: 0.59068 },
  { problem: "flat-120x4", batch: 32, bestKnown: -0.25142, after200: 1.7138 },
];
