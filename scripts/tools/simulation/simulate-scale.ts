import { parseArgs } from "node:util";
import Table from "cli-table3";
import {
  MEASURED_TIMES,
  RAMPS,
  type ScaleTimes,
  simulateScale,
} from "../../../test/simulation/scale-model.js";

/**
 * `npm run simulate:scale -- [--ask 1.3] [--trials-per-evaluator 20]`: efficiency of a fleet (share of time
 * spent on scoring) by number of evaluators, duration of a trial and number of shards, in virtual time.
 * Latencies are measured or assumed; tables show the effect of other latencies and of the event source's
 * ramp-up.
 */
const { values } = parseArgs({
  options: {
    ask: { type: "string", default: String(MEASURED_TIMES.ask) },
    "trials-per-evaluator": { type: "string", default: "20" },
  },
});
const times = { ...MEASURED_TIMES, ask: Number(values.ask) };
const trialsPerEvaluator = Number(values["trials-per-evaluator"]);

/**
 * Sensitivity analysis: other latencies than the measured or assumed ones; each row changes the named ones
 * only.
 */
const OTHER_TIMES: readonly (readonly [string, Partial<ScaleTimes>])[] = [
  ["as above", {}],
  ["event source 20 ms", { invoke: 20 }],
  ["event source 30 ms", { invoke: 30 }],
  ["event source 50 ms, queue 20 ms", { invoke: 50, send: 20 }],
  ["store 40 ms", { store: 40 }],
  ["store 10 ms", { store: 10 }],
  ["ask 2.4 ms", { ask: 2.4 }],
];
const SENSITIVITY_SECONDS = 5;

const SHARDS = [1, 2, 4, 8, 16, 32];
const RAMPED_TRIALS = 60;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const style = { head: [], border: [] };

const steady = new Table({ style, head: ["evaluators", "trial", ...SHARDS.map((n) => `${n} shard(s)`)] });
const ramped = new Table({ style, head: ["evaluators", "trial", ...Object.keys(RAMPS)] });
const FLEETS = [256, 1_000];
for (const evaluators of FLEETS) {
  for (const seconds of [1, 5, 30]) {
    const fleet = { evaluators, trialMilliseconds: 1_000 * seconds, times };
    const cells: string[] = [];
    for (const shards of SHARDS) {
      const options = { ...fleet, shards, trialsPerEvaluator, ramp: RAMPS.none };
      const { efficiency, coordinatorBusy } = await simulateScale(options);
      cells.push(`${percent(efficiency)} (${percent(coordinatorBusy)})`);
    }
    steady.push([String(evaluators), `${seconds} s`, ...cells]);
    const rows: string[] = [];
    for (const ramp of Object.values(RAMPS)) {
      const options = { ...fleet, shards: 1, trialsPerEvaluator: RAMPED_TRIALS, ramp };
      rows.push(percent((await simulateScale(options)).efficiency));
    }
    ramped.push([String(evaluators), `${seconds} s`, ...rows]);
  }
}
const slower = new Table({ style, head: ["times", ...FLEETS.map((n) => `${n} evaluators`)] });
for (const [name, other] of OTHER_TIMES) {
  const cells: string[] = [];
  for (const evaluators of FLEETS) {
    const { efficiency } = await simulateScale({
      evaluators,
      trialMilliseconds: 1_000 * SENSITIVITY_SECONDS,
      times: { ...times, ...other },
      shards: 1,
      trialsPerEvaluator,
      ramp: RAMPS.none,
    });
    cells.push(percent(efficiency));
  }
  slower.push([name, ...cells]);
}
console.log(
  `Efficiency (and how long of the time the coordinator is at work), ${trialsPerEvaluator} trials an evaluator,`,
);
console.log(`all evaluators there from the start; an ask takes ${times.ask} ms:`);
console.log(steady.toString());
console.log(`Efficiency of a whole run of ${RAMPED_TRIALS} trials an evaluator, by the event source's ramp:`);
console.log(ramped.toString());
console.log(
  `Efficiency with trials of ${SENSITIVITY_SECONDS} s in one shard, by what the batches of events wait for:`,
);
console.log(slower.toString());
