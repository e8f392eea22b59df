import Table from "cli-table3";
import { findAlgorithm } from "../../../shared/quantization/algorithms/algorithm-list.js";
import type { FloatOp, SwitchEvidence } from "../../../shared/run/result/float-ops.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import type { TrialSummary } from "../../../shared/run/result/tried-choices.js";

/**
 * Largest number of groups (tensors that share a quantizer choice) in the table, and of ops in the notes below;
 * `result.json` has all of them.
 */
const MAX_GROUPS = 15;
const MAX_OPS = 10;
const MAX_PARAMETERS = 3;
/**
 * Smallest share, from 0 to 1, of the variance of accuracy loss over the trials for which a parameter is named in
 * a sentence.
 */
const MIN_SHARE = 0.05;

/**
 * Table of the groups (tensors that share a quantizer choice) with the largest effect on accuracy, and of the
 * trials with each quantized or in float; `undefined` when no group could be switched.
 */
export function explanationTable({ explanation }: RunResult): string | undefined {
  const shares = new Map<string, number>();
  for (const { group, share } of explanation.importance.accuracyLoss)
    shares.set(group, (shares.get(group) ?? 0) + share);
  const isKnown = explanation.importance.accuracyLoss.length > 0;
  const rows = explanation.groups.flatMap(({ group, parameters }) => {
    const choices = parameters.find(({ parameter }) => parameter === `${group}/quantize`)?.choices;
    if (choices === undefined) return [];
    const having = (value: boolean) => choices.find(({ choice }) => choice === value)?.with;
    return [{ group, quantized: having(true), float: having(false), share: shares.get(group) ?? 0 }];
  });
  if (rows.length === 0) return undefined;
  rows.sort((a, b) => b.share - a.share);
  const table = new Table({
    head: ["group", "effect on accuracy", "trials quantized", "least loss", "in float", "least loss"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "right", "right"],
  });
  for (const { group, quantized, float, share } of rows.slice(0, MAX_GROUPS)) {
    table.push([
      group,
      isKnown ? `${percent(share)} %` : "–",
      countCell(quantized),
      lossCell(quantized),
      countCell(float),
      lossCell(float),
    ]);
  }
  return table.toString();
}

/**
 * Table of the trials per choice of the parameters of algorithms such as bias corrections; `undefined` when the
 * search decided on none.
 */
export function algorithmTable({ explanation }: RunResult): string | undefined {
  const shares = new Map(
    explanation.importance.accuracyLoss.map(({ parameter, share }) => [parameter, share]),
  );
  const isKnown = shares.size > 0;
  const rows = explanation.groups
    .filter(({ group }) => findAlgorithm(group) !== undefined)
    .flatMap(({ parameters }) => parameters)
    .flatMap(({ parameter, choices }) =>
      choices.map(({ choice, with: summary }, i) => [
        i === 0 ? parameter : "",
        i > 0 ? "" : isKnown ? `${percent(shares.get(parameter) ?? 0)} %` : "–",
        String(choice),
        countCell(summary),
        lossCell(summary),
      ]),
    );
  if (rows.length === 0) return undefined;
  const table = new Table({
    head: ["algorithm", "effect on accuracy", "choice", "trials", "least loss"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "right"],
  });
  table.push(...rows);
  return table.toString();
}

/** Sentences that explain the best configuration. */
export function explanationNotes(
  result: Pick<RunResult, "explanation" | "selection" | "keepFloat">,
): string[] {
  const { explanation } = result;
  const hidden = explanation.groups.length - MAX_GROUPS;
  // Where the float model is the result, these would describe a model that was not written.
  const ops = result.keepFloat === null ? explanation.float : [];
  return [
    ...(hidden > 0 ? [`${hidden} more groups are in result.json.`] : []),
    ...importanceNotes(result),
    ...ops.slice(0, MAX_OPS).map(floatNote),
    ...(ops.length > MAX_OPS ? [`${ops.length - MAX_OPS} more ops in float are in result.json.`] : []),
    ...(result.keepFloat === null ? selectionNotes(result) : []),
  ];
}

function importanceNotes({ explanation }: Pick<RunResult, "explanation">): string[] {
  const named = explanation.importance.accuracyLoss
    .filter(({ share }) => share >= MIN_SHARE)
    .slice(0, MAX_PARAMETERS)
    .map(
      ({ parameter, share, interval: [low, high] }) =>
        `${parameter} (${percent(share)} %, between ${percent(low)} and ${percent(high)} %)`,
    );
  if (named.length > 0) return [`Largest effects on accuracy: ${named.join(", ")}.`];
  return explanation.groups.length === 0 ? [] : ["No choice had an effect on accuracy beyond noise."];
}

function floatNote(op: FloatOp): string {
  const what = `In float: ${op.type} ${op.name}`;
  switch (op.cause) {
    case "not quantizable":
      return `${what}, as ${op.reason}.`;
    case "block rule":
      return `${what}, as it shares a tensor with group ${op.group}, which is in float.`;
    case "chosen": {
      const { quantized, float } = op.evidence;
      return `${what}; ${costNote(op.evidence)} (${triedNote(quantized, "quantized")}; ${triedNote(float, "in float")}).`;
    }
  }
}

/**
 * A clause on the accuracy that quantizing a group costs: measured by the trial that differs only in the group,
 * otherwise estimated by a model of all trials.
 */
function costNote({ neighbour, accuracyCost }: SwitchEvidence): string {
  if (neighbour?.state === "complete") {
    const { trial, accuracyLoss, cost } = neighbour;
    const than = cost > 0 ? `${cost.toFixed(2)} points more` : `${(-cost).toFixed(2)} points less`;
    return `with it quantized as well, trial ${trial} loses ${accuracyLoss.toFixed(2)} %, ${cost === 0 ? "as much" : than}`;
  }
  if (neighbour !== null) return `with it quantized as well, trial ${neighbour.trial} was stopped early`;
  if (accuracyCost === null) return "the cost of quantizing it is within noise";
  const { points, deviation } = accuracyCost;
  const verb = points > 0 ? "costs" : "gains";
  return `quantizing it ${verb} about ${Math.abs(points).toFixed(2)} points (± ${(2 * deviation).toFixed(2)})`;
}

function selectionNotes({ selection }: Pick<RunResult, "selection">): string[] {
  const [best, ...others] = selection?.finalists ?? [];
  if (selection == null || best === undefined) return [];
  const optimism =
    selection.flattered > 0
      ? `selecting it on the former was optimistic by ${selection.flattered.toFixed(2)} points`
      : "selecting it on the former was not optimistic";
  const lost =
    selection.lost > 0
      ? `; another of the ${others.length + 1} best would lose ${selection.lost.toFixed(2)} points less there`
      : "";
  return [
    `Selection: trial ${best.trial} loses ${best.accuracyLoss.toFixed(2)} % on the evaluation samples and ${best.validationLoss.toFixed(2)} % on the validation samples; ${optimism}${lost}.`,
  ];
}

function countCell(summary: TrialSummary | undefined): string {
  if (summary === undefined) return "0";
  return summary.pruned === 0 ? `${summary.trials}` : `${summary.trials} (${summary.pruned} stopped)`;
}

function lossCell(summary: TrialSummary | undefined): string {
  const loss = summary?.accuracyLoss ?? undefined;
  return loss === undefined ? "–" : `${loss.best.toFixed(2)} %`;
}

function triedNote({ trials, accuracyLoss }: TrialSummary, how: string): string {
  if (trials === 0) return `never tried ${how}`;
  const count = trials === 1 ? "1 trial" : `${trials} trials`;
  return accuracyLoss === null
    ? `tried ${how} in ${count}, none of them complete`
    : `${how} in ${count}, losing ${accuracyLoss.best.toFixed(2)} % at least`;
}

function percent(share: number): string {
  return (100 * share).toFixed(0);
}
