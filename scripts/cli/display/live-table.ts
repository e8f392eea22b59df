import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import type { RunView, TrialView } from "../../fleet/index.js";
import { bar } from "./bar.js";
import { countTrials, percent, progressText } from "./progress-display.js";

/** Size of a terminal in characters and lines. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** Longest shown name of a worker and longest shown reason of a failure, in characters. */
const WORKER_CHARACTERS = 12;
const REASON_CHARACTERS = 60;

/**
 * A run as lines that fit into a terminal: a progress bar, trials in progress, and a table of the best and
 * latest trials.
 */
export function liveTable(view: RunView, { columns, rows }: Frame): readonly string[] {
  const lines = [barLine(view), runningLine(view), ...trialTable(view)];
  // Wrapped lines or a scrolling frame could not be overwritten; the last line is left to the cursor.
  return lines.slice(0, rows - 1).map((line) => [...line].slice(0, columns).join(""));
}

function barLine({ progress }: RunView): string {
  const { done, most } = countTrials(progress);
  // The best trial is in the table; without it in this line, time left and cost are not cut off on a narrow terminal.
  const { best: _, ...rest } = progress;
  return `${bar(done, most)} ${done}/${most} ${progressText(rest)}`;
}

function runningLine({ running, isa }: RunView): string {
  const trials = `${running} ${running === 1 ? "trial" : "trials"} in progress`;
  return isa === undefined ? trials : `${trials}, on ${plain(isa)}`;
}

function trialTable(view: RunView): readonly string[] {
  const { best, latest, metric } = view;
  if (latest.length === 0) return [];
  const table = new Table({
    head: ["trial", metric, "accuracy loss", "size", "speed-up", "in bound", "outcome", "scored by"],
    style: { head: [], border: [] },
    colAligns: ["right", "right", "right", "right", "right", "left", "left", "left"],
    // One line per trial, without separators.
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  if (best !== undefined) table.push(trialRow(`best: ${best.number}`, best, view));
  for (const trial of latest) table.push(trialRow(`${trial.number}`, trial, view));
  return table.toString().split("\n");
}

function trialRow(name: string, trial: TrialView, { samples }: RunView): string[] {
  const { metric, accuracyLoss, sizeShare, latencyRatio, withinBound, worker } = trial;
  return [
    name,
    cell(metric, (value) => value.toFixed(4)),
    cell(accuracyLoss, (value) => `${value.toFixed(2)} %`),
    cell(sizeShare, percent),
    cell(latencyRatio, (value) => `${value.toFixed(2)} ×`),
    cell(withinBound, (value) => (value ? "yes" : "no")),
    outcomeCell(trial, samples),
    cell(worker, workerCell),
  ];
}

function outcomeCell({ outcome, samples, reason = "" }: TrialView, all: number): string {
  switch (outcome) {
    case "float":
      return "float model";
    case "complete":
      return "complete";
    case "pruned":
      return `stopped after ${samples} of ${all} samples`;
    case "failed":
      return `failed: ${shorten(plain(reason), REASON_CHARACTERS)}`;
  }
}

/** Shortens a Lambda log stream, which names the execution environment, to the part after the version. */
function workerCell(worker: string): string {
  return shorten(plain(worker).replace(/^.*\]/, ""), WORKER_CHARACTERS);
}

function cell<Value>(value: Value | undefined, format: (value: Value) => string): string {
  return value === undefined ? "–" : format(value);
}

function shorten(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** Removes control characters and line breaks from text written by workers. */
function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
}
