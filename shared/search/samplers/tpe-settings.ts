/** The settings of the TPE sampler. The defaults were measured; docs/search.md has the figures. */
export interface TpeSettings {
  /** Trials drawn from the prior before any density is estimated. */
  readonly startupTrials: number;
  /** Share of the finished trials that are good, and the most that may be. */
  readonly goodShare: number;
  readonly goodLimit: number;
  /** How many parameters a draw from a kernel changes on average, and the largest mismatch probability of one. */
  readonly changesPerDraw: number;
  readonly mismatchLimit: number;
  /** Draws from the good density that are scored, next to the mode of each of its components. */
  readonly candidates: number;
  /** Under a constraint, draws from the good density alone that are scored beside these. */
  readonly neighbours: number;
  /** Where the accuracy decides, the share of asks that choose among configurations near to promising trials alone. */
  readonly nearShare: number;
  /**
   * The bad density is estimated from so many trials ranked right behind the good ones, and from as many running
   * ones (constant liar), the latest.
   */
  readonly rivals: number;
  /** Nats per standard deviation of the outcome that the additive evidence foretells. */
  readonly evidenceWeight: number;
  /** Scale of the draw from the posterior of the additive evidence: 0 its mean, 1 Thompson sampling. */
  readonly temperature: number;
}

export const DEFAULT_TPE_SETTINGS: TpeSettings = {
  startupTrials: 10,
  goodShare: 0.05,
  goodLimit: 25,
  changesPerDraw: 4,
  mismatchLimit: 0.3,
  candidates: 16,
  neighbours: 32,
  nearShare: 0.5,
  rivals: 16,
  evidenceWeight: 100,
  temperature: 0.4,
};
