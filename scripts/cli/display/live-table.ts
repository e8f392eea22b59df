import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import type { RunView, TrialView } from "../../fleet/index.js";
import { bar } from "./bar.js";
import { countTrials, percent, progressText } from "./progress-display.js";

/** Characters and lines of a terminal. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** What is seen of the name of the worker and of why a trial failed. */
const WORKER_CHARACTERS = 12;
const REASON_CHARACTERS = 60;

/** A run as lines that fit into a terminal: a bar, what is under way, and a table of the best and the latest trials. */
export function liveTable(view: RunView, { columns, rows }: Frame): readonly string[] {
  const lines = [barLine(view), underWay(view), ...trialTable(view)];
  // A line that wraps, or a frame that scrolls, could not be drawn over; the last line is the cursor's.
  return lines.slice(0, rows - 1).map((line) => [...line].slice(0, columns).join(""));
}

function barLine({ progress }: RunView): string {
  const { done, most } = countTrials(progress);
  // The best stands in the table; what is left and spent would fall off a narrow terminal behind it.
  const { best: _, ...rest } = progress;
  return `${bar(done, most)} ${done}/${most} ${progressText(rest)}`;
}

function underWay({ running, isa }: RunView): string {
  const trials = `${running} ${running === 1 ? "trial" : "trials"} under way`;
  return isa === undefined ? trials : `${trials}, on ${plain(isa)}`;
}

function trialTable(view: RunView): readonly string[] {
  const { best, latest, metric } = view;
  if (latest.length === 0) return [];
  const table = new Table({
    head: ["trial", metric, "accuracy lost", "size", "speed", "in bound", "outcome", "scored by"],
    style: { head: [], border: [] },
    colAligns: ["right", "right", "right", "right", "right", "left", "left", "left"],
    // A line a trial, so that more of them fit.
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

/** An environment of Lambda is named by its log stream, of which only what stands behind the version differs. */
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

/** Workers wrote it: what would move the cursor or begin a line is taken out. */
function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
}
