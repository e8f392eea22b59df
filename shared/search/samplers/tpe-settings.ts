/** Settings of the TPE sampler. The defaults were chosen by measurement (`scripts/tools/bench/search.ts`). */
export interface TpeSettings {
  /**
   * Number of finished trials before any density is estimated; until then trials are random draws, around the
   * best trial where there is a base, otherwise from the prior.
   */
  readonly startupTrials: number;
  /** Share of the finished trials that count as good (the good density is estimated from them). */
  readonly goodShare: number;
  /** Largest number of good trials, however many finished trials there are. */
  readonly goodLimit: number;
  /** Number of parameters that a draw from a kernel changes, on average, of the configuration at its centre. */
  readonly changesPerDraw: number;
  /** Upper limit of the probability that a draw from a kernel changes the centre's choice of a parameter. */
  readonly mismatchLimit: number;
  /** Number of candidates drawn from the good density times exp(evidence), besides the modes of its components. */
  readonly candidates: number;
  /** Under an accuracy constraint, number of further candidates drawn from the good density alone. */
  readonly neighbours: number;
  /**
   * Under an accuracy constraint, share of the asks (proposals) that only consider configurations near
   * promising trials.
   */
  readonly nearShare: number;
  /**
   * Number of trials ranked right after the good ones from which the bad density is estimated, and as many of
   * the latest running ones (constant liar).
   */
  readonly rivals: number;
  /** Weight of the additive evidence: nats per standard deviation of the predicted outcome. */
  readonly evidenceWeight: number;
  /**
   * Factor on the deviation of a posterior draw of the effects from their mean: 0 uses the mean, 1 is Thompson
   * sampling.
   */
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
