import { readFileSync } from "node:fs";

/** Number of first trials that are left out, as they run with cold code and empty caches. */
const WARM_UP_TRIALS = 10;

export interface Overhead {
  readonly trials: number;
  /** Median over the trials of the time of inference, in milliseconds; the following times likewise. */
  readonly inference: number;
  readonly quantize: number;
  readonly session: number;
  readonly total: number;
  /** Median, over the trials, of a worker's time for a trial besides inference, as a share of inference time. */
  readonly beyondInference: number;
  /**
   * Median, over the trials, of the time between two reports of a worker besides inference, as a share of
   * inference time; it includes queues, records and the sampler.
   */
  readonly beyondInferenceBetween: number;
}

interface Line {
  readonly number: number;
  readonly state: string;
  readonly timings: { quantize: number; session: number; inference: number; total: number } | null;
  readonly worker: string | null;
  readonly endedAt: number;
}

/** Overhead of trials besides inference, from a run's `trials.jsonl`. */
export function readOverhead(trials: string): Overhead {
  const all = readFileSync(trials, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const lines = all
    .map((line) => ({ ...line, between: (line.endedAt - previousEnd(all, line)) / 1000 }))
    // A trial stopped early has the full cost of its session but not of its samples.
    .filter(({ number, state }) => number > WARM_UP_TRIALS + 1 && state === "complete")
    .flatMap(({ timings, between }) => (timings === null ? [] : [{ ...timings, between }]));
  const milliseconds = (pick: (line: (typeof lines)[number]) => number) => 1000 * median(lines.map(pick));
  return {
    trials: lines.length,
    inference: milliseconds((line) => line.inference),
    quantize: milliseconds((line) => line.quantize),
    session: milliseconds((line) => line.session),
    total: milliseconds((line) => line.total),
    beyondInference: median(lines.map((line) => line.total / line.inference - 1)),
    beyondInferenceBetween: median(lines.map((line) => line.between / line.inference - 1)),
  };
}

/** Time at which the worker's previous trial ended. */
function previousEnd(lines: readonly Line[], { worker, endedAt }: Line): number {
  return lines.reduce(
    (latest, line) =>
      line.worker === worker && line.endedAt < endedAt ? Math.max(latest, line.endedAt) : latest,
    Number.NEGATIVE_INFINITY,
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
