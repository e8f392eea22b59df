import { parseArgs } from "node:util";
import { SAFEGUARDS, switchOffSafeguard } from "../../../shared/basics/safeguard.js";
import { DEVIATIONS, type Deviation } from "../../../test/simulation/defects.js";
import { simulate } from "../../../test/simulation/simulate.js";

/**
 * `npm run simulate -- [--seeds 10000] [--from 1] [--defect NAME]`: simulates runs, each with the faults of its seed.
 * Exits with 1 on the first broken invariant and prints the seed, which reproduces it with `--seeds 1 --from SEED`. A
 * defect (test/simulation/defects.ts) shows whether the simulation notices it.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    defect: { type: "string" },
  },
});
const seeds = count("seeds", values.seeds);
const from = count("from", values.from);
const deviation = values.defect === undefined ? {} : applyDefect(values.defect);

const startedAt = performance.now();
let trials = 0;
let evaluations = 0;
let virtualMilliseconds = 0;
for (let seed = from; seed < from + seeds; seed++) {
  try {
    const run = await simulate(seed, deviation);
    trials += run.state.finished.length;
    evaluations += run.evaluations;
    virtualMilliseconds += run.virtualMilliseconds;
  } catch (error) {
    console.error(error);
    console.error(
      `seed ${seed} broke an invariant; replay it with: npm run simulate -- --seeds 1 --from ${seed}`,
    );
    process.exit(1);
  }
  const done = seed - from + 1;
  if (done % 1_000 === 0) console.error(`${done} of ${seeds} seeds, ${secondsSince(startedAt)} s`);
}
console.log(
  `${seeds} seeds from ${from}: no invariant broken; ${trials} trials and ${evaluations} evaluations in ` +
    `${Math.round(virtualMilliseconds / 3_600_000)} simulated hours, ${secondsSince(startedAt)} s`,
);

/** Switches off the safeguard of that name, or returns the deviation of that name. */
function applyDefect(name: string): Deviation {
  const safeguard = SAFEGUARDS.find((known) => known === name);
  if (safeguard !== undefined) {
    switchOffSafeguard(safeguard);
    return {};
  }
  const deviation = Object.entries(DEVIATIONS).find(([known]) => known === name)?.[1];
  if (deviation !== undefined) return deviation;
  const known = [...SAFEGUARDS, ...Object.keys(DEVIATIONS)].join(", ");
  console.error(`--defect is "${name}"; give one of ${known}.`);
  process.exit(2);
}

function count(option: string, text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    console.error(`--${option} is "${text}"; give a whole number from 1.`);
    process.exit(2);
  }
  return Number(text);
}

function secondsSince(start: number): string {
  return ((performance.now() - start) / 1_000).toFixed(1);
}
