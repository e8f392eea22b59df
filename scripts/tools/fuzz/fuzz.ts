/**
 * Runs mutated models, configurations, arrays, records and messages, and reports those that show a defect:
 * `npm run fuzz -- --inputs 3000 --seed 1`. The same seed gives the same inputs; `--only K` runs input K
 * alone, and `--kind record` those of one kind.
 */
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runInputs } from "./fuzz-pool.js";
import { KINDS, type Kind } from "./inputs/fuzz-input.js";
import { makeInput, record } from "./inputs/make-input.js";
import { writeFinding } from "./write-finding.js";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    kind: { type: "string" },
    processes: { type: "string", default: `${availableParallelism()}` },
    out: { type: "string" },
  },
});
const seed = Number(values.seed);
const numbers =
  values.only === undefined
    ? Array.from({ length: Number(values.inputs) }, (_, number) => number)
    : [Number(values.only)];
const out = values.out ?? join(tmpdir(), `quantfleet-fuzz-findings-${seed}`);

const start = performance.now();
const recorded = await record();
function* inputs() {
  for (const number of numbers) {
    const input = makeInput(seed, number, recorded);
    if (values.kind === undefined || values.kind === input.kind) yield input;
  }
}

const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
const codes = new Map<number, number>();
let findings = 0;
let done = 0;
for await (const { input, code, finding } of runInputs(inputs(), Number(values.processes))) {
  counts[input.kind] += 1;
  done += 1;
  if (code !== undefined) codes.set(code, (codes.get(code) ?? 0) + 1);
  if (done % 500 === 0) process.stderr.write(`${done} of ${numbers.length} inputs\n`);
  if (finding === undefined) continue;
  findings += 1;
  const folder = join(out, `${input.number}`);
  await writeFinding(folder, finding);
  const [problem] = finding.outcome?.problems ?? [];
  process.stdout.write(
    `${input.number} (${input.kind}: ${input.mutations.join(", ").slice(0, 200)}): ${finding.defect}${problem === undefined ? "" : `: ${problem.message.slice(0, 300)}`}; see ${folder}\n`,
  );
}
const seconds = ((performance.now() - start) / 1_000).toFixed(0);
const kinds = KINDS.map((kind) => `${counts[kind]} ${kind}s`).join(", ");
const ended = [...codes].sort(([a], [b]) => a - b).map(([code, count]) => `${count} with ${code}`);
process.stdout.write(
  `${done} inputs of seed ${seed} (${kinds}) in ${seconds} s; exit codes: ${ended.join(", ")}; findings: ${findings}\n`,
);
process.exitCode = findings === 0 ? 0 : 1;
