import Table from "cli-table3";
import { COMPANION_NAMES } from "../../shared/quantization/companion-space.js";
import type { FloatOp } from "../../shared/run/float-ops.js";
import type { RunResult } from "../../shared/run/result.js";
import type { TrialSummary } from "../../shared/run/tried-choices.js";

/** Groups and ops beyond these are only in `result.json`. */
const MOST_GROUPS = 15;
const MOST_OPS = 10;
const MOST_PARAMETERS = 3;
/** A parameter that explains less is not worth a sentence. */
const LEAST_SHARE = 0.05;

/** What was tried for the groups that mattered most to accuracy; `undefined` where no group could be switched. */
export function explanationTable({ explanation }: RunResult): string | undefined {
  const shares = new Map<string, number>();
  for (const { group, share } of explanation.importance.accuracyLoss)
    shares.set(group, (shares.get(group) ?? 0) + share);
  const rows = explanation.groups.flatMap(({ group, parameters }) => {
    const choices = parameters.find(({ parameter }) => parameter === `${group}/quantize`)?.choices;
    if (choices === undefined) return [];
    const having = (value: boolean) => choices.find(({ choice }) => choice === value)?.with;
    return [{ group, quantized: having(true), float: having(false), share: shares.get(group) ?? 0 }];
  });
  if (rows.length === 0) return undefined;
  rows.sort((a, b) => b.share - a.share);
  const table = new Table({
    head: ["group", "moved accuracy", "trials quantized", "best / mean loss", "in float", "best / mean loss"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "right", "right"],
  });
  for (const { group, quantized, float, share } of rows.slice(0, MOST_GROUPS)) {
    table.push([
      group,
      `${percent(share)} %`,
      countCell(quantized),
      lossCell(quantized),
      countCell(float),
      lossCell(float),
    ]);
  }
  return table.toString();
}

/** What was tried of algorithms beside the quantization; `undefined` where the search decided on none. */
export function companionTable({ explanation }: RunResult): string | undefined {
  const shares = new Map(
    explanation.importance.accuracyLoss.map(({ parameter, share }) => [parameter, share]),
  );
  const rows = explanation.groups
    .filter(({ group }) => COMPANION_NAMES.some((name) => name === group))
    .flatMap(({ parameters }) => parameters)
    .flatMap(({ parameter, choices }) =>
      choices.map(({ choice, with: summary }, i) => [
        i === 0 ? parameter : "",
        i === 0 ? `${percent(shares.get(parameter) ?? 0)} %` : "",
        String(choice),
        countCell(summary),
        lossCell(summary),
      ]),
    );
  if (rows.length === 0) return undefined;
  const table = new Table({
    head: ["algorithm", "moved accuracy", "choice", "trials", "best / mean loss"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "right"],
  });
  table.push(...rows);
  return table.toString();
}

/** Sentences about why the best is what it is. */
export function explanationNotes(result: Pick<RunResult, "explanation" | "selection">): string[] {
  const { explanation } = result;
  const hidden = explanation.groups.length - MOST_GROUPS;
  const ops = explanation.float;
  return [
    ...(hidden > 0 ? [`${hidden} more groups are in result.json.`] : []),
    ...importanceNotes(result),
    ...ops.slice(0, MOST_OPS).map(floatNote),
    ...(ops.length > MOST_OPS ? [`${ops.length - MOST_OPS} more ops in float are in result.json.`] : []),
    ...selectionNotes(result),
  ];
}

function importanceNotes({ explanation }: Pick<RunResult, "explanation">): string[] {
  const named = explanation.importance.accuracyLoss
    .filter(({ share }) => share >= LEAST_SHARE)
    .slice(0, MOST_PARAMETERS)
    .map(({ parameter, share }) => `${parameter} (${percent(share)} %)`);
  return named.length === 0 ? [] : [`What moved accuracy most: ${named.join(", ")}.`];
}

function floatNote(op: FloatOp): string {
  const what = `In float: ${op.type} ${op.name}`;
  switch (op.cause) {
    case "not quantizable":
      return `${what}, as ${op.reason}.`;
    case "block rule":
      return `${what}, as it shares a tensor with group ${op.group}, which is in float.`;
    case "chosen": {
      const { quantized, float, accuracyCost } = op.evidence;
      const cost =
        accuracyCost === null
          ? ""
          : accuracyCost > 0
            ? `; quantizing it costs about ${accuracyCost.toFixed(2)} points`
            : "; quantizing it seems to cost no accuracy, and more trials may bring it back";
      return `${what}${cost} (${triedNote(quantized, "quantized")}; ${triedNote(float, "in float")}).`;
    }
  }
}

function selectionNotes({ selection }: Pick<RunResult, "selection">): string[] {
  const [best, ...others] = selection?.finalists ?? [];
  if (selection == null || best === undefined) return [];
  const flattered =
    selection.flattered > 0
      ? `choosing it by the former flattered it by ${selection.flattered.toFixed(2)} points`
      : "choosing it by the former did not flatter it";
  const lost =
    selection.lost > 0
      ? `; of the ${others.length + 1} best another would lose ${selection.lost.toFixed(2)} points less there`
      : "";
  return [
    `Selection: trial ${best.trial} loses ${best.accuracyLoss.toFixed(2)} % on the evaluation samples and ${best.validationLoss.toFixed(2)} % on the validation samples; ${flattered}${lost}.`,
  ];
}

function countCell(summary: TrialSummary | undefined): string {
  if (summary === undefined) return "0";
  return summary.pruned === 0 ? `${summary.trials}` : `${summary.trials} (${summary.pruned} stopped)`;
}

function lossCell(summary: TrialSummary | undefined): string {
  const loss = summary?.accuracyLoss ?? undefined;
  return loss === undefined ? "–" : `${loss.best.toFixed(2)} / ${loss.mean.toFixed(2)} %`;
}

function triedNote({ trials, accuracyLoss }: TrialSummary, how: string): string {
  if (trials === 0) return `never tried ${how}`;
  const count = trials === 1 ? "1 trial" : `${trials} trials`;
  return accuracyLoss === null
    ? `tried ${how} in ${count}, none of which saw every sample`
    : `mean loss ${accuracyLoss.mean.toFixed(2)} % ${how} in ${count}`;
}

function percent(share: number): string {
  return (100 * share).toFixed(0);
}
