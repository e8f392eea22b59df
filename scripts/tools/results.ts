import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { onnxruntimeVersion } from "../../shared/runtime/session.js";
import { packageRoot } from "../package/package-root.js";
import { replaceBetween } from "./documentation/replace-between.js";
import { MEASUREMENTS, type Measurement } from "./results/measurements.js";
import { RESULTS_MARKERS, RESULTS_PAGE, resultsText } from "./results/results-text.js";

/**
 * `npm run results -- [--mode quick|full] [--only demo,scale]`: runs the benches and rewrites
 * docs/results/results.md with what they print. Quick takes some ten minutes on an idle machine of two cores, full
 * some hours. With `--only` the page has those alone: what was not measured again is not on it.
 */
const { values } = parseArgs({
  options: { mode: { type: "string", default: "quick" }, only: { type: "string" } },
});
if (values.mode !== "quick" && values.mode !== "full")
  throw new Error(`--mode is "${values.mode}"; give quick or full.`);

const wanted = values.only?.split(",");
const chosen = MEASUREMENTS.filter(({ name, mode }) =>
  wanted === undefined ? mode === "quick" || values.mode === "full" : wanted.includes(name),
);
if (chosen.length === 0) throw new Error(`--only names none of ${MEASUREMENTS.map(({ name }) => name)}.`);

/** Runs a measurement's command and returns what it prints on stdout; progress goes to this terminal. */
async function outputOf({ command }: Measurement, folder: string): Promise<string> {
  const [program = "", ...parameters] = command.map((part) => (part === "OUT" ? folder : part));
  const child = spawn(program, parameters, { cwd: packageRoot(), stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}.`);
  return Buffer.concat(chunks).toString("utf8");
}

const machine = {
  processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, class ${await processorClass()}`,
  versions: `Node ${process.versions.node}, onnxruntime ${onnxruntimeVersion()}`,
};
const measured = [];
for (const measurement of chosen) {
  console.error(`${measurement.name}: ${measurement.command.join(" ")}`);
  const folder = mkdtempSync(join(tmpdir(), "quantfleet-results-"));
  const load = loadavg()[0] ?? 0;
  try {
    const output = await outputOf(measurement, join(folder, "out"));
    measured.push({ measurement, output, date: new Date().toISOString().slice(0, 10), load });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const page = join(packageRoot(), RESULTS_PAGE);
writeFileSync(
  page,
  replaceBetween(readFileSync(page, "utf8"), RESULTS_MARKERS, resultsText(measured, machine)),
);
