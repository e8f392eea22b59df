import { readFileSync } from "node:fs";

/** The first trials pay for cold code and empty caches. */
const WARM_UP_TRIALS = 10;

export interface Overhead {
  readonly trials: number;
  /** Medians over the trials, milliseconds. */
  readonly inference: number;
  readonly quantize: number;
  readonly session: number;
  readonly total: number;
  /** Median of what a trial takes on its worker beyond inference, as a share of inference. */
  readonly beyondInference: number;
  /** The same from being asked for to having ended, so with queues, records and the sampler. */
  readonly beyondInferenceAsked: number;
}

interface Line {
  readonly number: number;
  readonly state: string;
  readonly timings: { quantize: number; session: number; inference: number; total: number } | null;
  readonly askedAt: number;
  readonly endedAt: number;
}

/** What a trial costs beyond inference, from a run's `trials.jsonl`. */
export function readOverhead(trials: string): Overhead {
  const lines = readFileSync(trials, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
    // A trial that the race stopped has paid for its session and not for its samples.
    .filter(({ number, state }) => number > WARM_UP_TRIALS + 1 && state === "complete")
    .flatMap(({ timings, askedAt, endedAt }) =>
      timings === null ? [] : [{ ...timings, asked: (endedAt - askedAt) / 1000 }],
    );
  const milliseconds = (pick: (line: (typeof lines)[number]) => number) => 1000 * median(lines.map(pick));
  return {
    trials: lines.length,
    inference: milliseconds((line) => line.inference),
    quantize: milliseconds((line) => line.quantize),
    session: milliseconds((line) => line.session),
    total: milliseconds((line) => line.total),
    beyondInference: median(lines.map((line) => line.total / line.inference - 1)),
    beyondInferenceAsked: median(lines.map((line) => line.asked / line.inference - 1)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
