import Table from "cli-table3";
import type { MetricResult, ModelResult, RunResult } from "../../../shared/run/result/result.js";
import { ratioInterval, TOO_NOISY } from "../../../shared/runtime/latency.js";
import { exactnessNotes } from "./exactness-text.js";
import { algorithmTable, explanationNotes, explanationTable } from "./explanation-table.js";

/** A run's result as tables and sentences. */
export function resultText(result: RunResult): string {
  const tables = [algorithmTable(result), explanationTable(result)];
  return [
    resultTable(result),
    ...(result.objective === "pareto" ? [frontTable(result)] : []),
    ...resultNotes(result),
    ...tables.filter((table) => table !== undefined),
    ...explanationNotes(result),
  ].join("\n");
}

function resultTable(result: RunResult): string {
  const { float, base, best } = result;
  const table = new Table({
    head: [
      "",
      result.float.metric.name,
      "validation",
      "latency",
      "speed-up",
      "size",
      "quantized ops",
      "integer kernels",
    ],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "right"],
  });
  table.push([
    "float",
    metricCell(float.metric),
    float.validation === null ? "–" : metricCell(float.validation),
    millisecondsCell(float.latencyMs),
    "1.00",
    bytesCell(float.bytes),
    "–",
    "–",
  ]);
  if (base !== null && "reason" in base) {
    table.push(["preset (trial 1)", { colSpan: 7, content: MISSING, hAlign: "left" }]);
  } else if (base !== null) table.push(modelRow("preset (trial 1)", base, float.latencyMs));
  if (best !== null && best.trial !== base?.trial && result.keepFloat === null) {
    table.push(modelRow(`best (trial ${best.trial})`, best, float.latencyMs));
  }
  return table.toString();
}

/** Table of the Pareto front, smallest or fastest trial first; among trials with equal measurements only the first. */
function frontTable({ float, pareto }: RunResult): string {
  const points = new Map<number, RunResult["pareto"][number]>();
  for (const point of pareto.toSorted((a, b) => a.trial - b.trial)) {
    // Points of equal size or latency on a Pareto front also have equal accuracy.
    const cost = point.latencyRatio === null ? point.bytes : 1 / point.latencyRatio;
    if (!points.has(cost)) points.set(cost, point);
  }
  const table = new Table({
    head: ["front", float.metric.name, "speed-up", "size"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right"],
  });
  for (const [, { trial, metric, latencyRatio, bytes }] of [...points].sort(([a], [b]) => a - b)) {
    table.push([`trial ${trial}`, metricCell(metric), latencyRatio?.toFixed(2) ?? "–", bytesCell(bytes)]);
  }
  return table.toString();
}

/**
 * A table row of a quantized model. Its latency is computed from the ratio, because times measured at
 * different moments are not comparable.
 */
function modelRow(name: string, model: ModelResult, floatMs: number | null): string[] {
  const { metric, validation, latencyRatio, bytes, quantizedShare, integerKernels } = model;
  return [
    name,
    metricCell(metric),
    validation === null ? "–" : metricCell(validation),
    millisecondsCell(latencyRatio === null || floatMs === null ? null : floatMs / latencyRatio),
    speedUpCell(model),
    bytesCell(bytes),
    `${Math.round(100 * quantizedShare.byCount)} %`,
    integerKernels === null ? "–" : `${integerKernels.integer} of ${integerKernels.quantized}`,
  ];
}

/** Text in the table row of a model that has no measurements; the reason is printed below the table. */
const MISSING = "could not be scored";

/** Sentences on what the table of the result does not show. */
function resultNotes(result: RunResult): string[] {
  const { base, best, trials, timing } = result;
  const notes: string[] = [...result.problems];
  const ran = `${trials.complete} trials complete, ${trials.pruned} stopped early, ${trials.failed} failed, in ${timing.wallSeconds.toFixed(1)} s with ${timing.workers} workers.`;
  if (base !== null && "reason" in base) {
    notes.push(`The preset configuration could not be scored: ${base.reason}`);
  }
  if (best === null) return [...notes, "No quantized trial could be scored."];
  if (result.keepFloat !== null) {
    const again = "a larger accuracy_loss, another tuning_scope or more trials may find one";
    return [
      ...notes,
      `The float model is the result, written as it was: ${result.keepFloat}; ${again}.`,
      ran,
    ];
  }
  const loss =
    best.accuracyLoss <= 0 ? "no accuracy lost" : `${best.accuracyLoss.toFixed(2)} % accuracy lost`;
  notes.push(
    `Best: trial ${best.trial}, ${loss} on the evaluation samples${best.meetsTarget ? "" : "; no trial met the targets"}.`,
  );
  if ((best.latencyNoise ?? 0) > TOO_NOISY) {
    notes.push(
      "The machine was too busy to tell latencies: repeat the run, or time the models, while it is idle.",
    );
  }
  if (best.latencyRatio !== null && best.latencyRatio < 1) {
    notes.push(
      "On this machine the float model is faster at its best optimization level; quantizing only reduces size.",
    );
  }
  notes.push(
    `Target device ${result.target}${result.processor === null ? "" : `, scored on a processor of class ${result.processor}`}.`,
  );
  if (result.scoring !== null) notes.push(result.scoring);
  notes.push(...exactnessNotes(best.exactness, best.exactOn));
  if (best.simulatedShare.byCount > 0) notes.push(simulationNote(best.simulatedShare));
  for (const { name, type, reason } of best.integerKernels?.unfused ?? []) {
    notes.push(`Runs in float although quantized: ${type} ${name} (${reason}).`);
  }
  notes.push(ran);
  if (result.cost !== undefined) notes.push(`It cost ${usdCell(result.cost.usd)}.`);
  return notes;
}

/** Table cell of a model's speed-up against the float model, with its 95 % interval. */
function speedUpCell({ latencyRatio: ratio, latencyNoise: noise }: ModelResult): string {
  if (ratio === null) return "–";
  const [low, high] = ratioInterval({ ratio, noise: noise ?? 0 });
  return `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

/** Table cell of an amount in US dollars, with more digits for small amounts. */
export function usdCell(usd: number): string {
  return usd < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

function metricCell({ value, interval: [low, high] }: MetricResult): string {
  return `${value.toFixed(4)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

function millisecondsCell(milliseconds: number | null): string {
  return milliseconds === null ? "–" : `${milliseconds.toPrecision(3)} ms`;
}

/** A sentence on the benefit of quantized ops without an integer kernel. */
export function simulationNote({ byCount }: ModelResult["simulatedShare"]): string {
  return `${Math.round(100 * byCount)} % of the weighted ops are simulated: they compute in float with dequantized values, which reduces size, not latency.`;
}

export function bytesCell(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
