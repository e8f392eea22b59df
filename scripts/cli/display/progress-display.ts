import cliProgress from "cli-progress";
import type { Progress } from "../../../shared/run/result/progress.js";
import { usdCell } from "./result-table.js";

/** Seconds between lines of progress, where stderr is not a terminal. */
const LINE_SECONDS = 5;

/** Shows a run's progress on stderr: a live line on a terminal, otherwise plain lines. */
export async function showProgress(progress: AsyncIterable<Progress>): Promise<void> {
  if (process.stderr.isTTY) await showBar(progress);
  else await printLines(progress);
}

async function showBar(progress: AsyncIterable<Progress>): Promise<void> {
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    format: "{bar} {value}/{total} {text}",
  });
  let started = false;
  for await (const latest of progress) {
    const text = progressText(latest);
    const { done, most } = countTrials(latest);
    if (!started) bar.start(most, done, { text });
    else bar.update(done, { text });
    started = true;
  }
  bar.stop();
}

async function printLines(progress: AsyncIterable<Progress>): Promise<void> {
  let printedAt = Number.NEGATIVE_INFINITY;
  let printed = "";
  for await (const latest of progress) {
    const due = latest.secondsElapsed - printedAt >= LINE_SECONDS || latest.phase !== printed;
    if (!due) continue;
    printedAt = latest.secondsElapsed;
    printed = latest.phase;
    const { done, most } = countTrials(latest);
    process.stderr.write(`${done}/${most} ${progressText(latest)}\n`);
  }
}

/** Numbers of trials done and at most to be done, without the float model, which is the baseline. */
export function countTrials({ trialsDone, trialsAtMost }: Progress): {
  readonly done: number;
  readonly most: number;
} {
  return { done: Math.max(0, trialsDone - 1), most: trialsAtMost - 1 };
}

/** The state of the run as one line. */
export function progressText(progress: Progress): string {
  const { phase, best, float, secondsLeft, cost, stop, failure } = progress;
  const left = secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`];
  switch (phase) {
    case "statistics":
      return "gathering statistics";
    case "search": {
      const parts = ["trials"];
      if (best !== undefined) {
        const { metric, bytes, latency } = best.measurement;
        const size = float === undefined ? "" : `, ${percent(bytes / float.bytes)} of the float model's size`;
        const speed = latency === undefined ? "" : `, ${latency.ratio.toFixed(2)} times its speed`;
        parts.push(`best ${metric.toFixed(4)}${size}${speed} (trial ${best.trial})`);
      }
      parts.push(...left);
      if (cost !== undefined) parts.push(spentCell(cost));
      return parts.join(" · ");
    }
    case "finish":
      return ["validating and writing the best", ...left].join(" · ");
    case "done":
      // `max_trials` as the reason is not named, as the count shows it.
      return stop === undefined || stop === "max_trials" ? "done" : `done · stopped by ${stop}`;
    case "failed":
      return failure === undefined ? "failed" : `failed: ${failure}`;
  }
}

function spentCell({ usd, maxUsd }: NonNullable<Progress["cost"]>): string {
  return maxUsd === undefined ? usdCell(usd) : `${usdCell(usd)} of ${usdCell(maxUsd)}`;
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** A duration given in seconds as text in hours, minutes and seconds, with two units at most. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}
