import { join } from "node:path";
import { carryOut } from "./carry-out.js";
import type { FuzzInput, Outcome, Problem } from "./inputs/fuzz-input.js";
import { problemOf } from "./problem.js";
import { type Limits, Watchdog } from "./watchdog.js";

/** From its parent this process gets inputs, one at a time, and answers each with what came of it. */
const [root = ".", given = "{}"] = process.argv.slice(2);
const limits: Limits = JSON.parse(given);
const watchdog = new Watchdog(limits);
const stray: Problem[] = [];
const keepStray = (error: unknown): void => void stray.push(problemOf(error, "thrown"));
process.on("uncaughtException", keepStray);
process.on("unhandledRejection", keepStray);
process.stdout.write = (() => true) as typeof process.stdout.write;
// Only what ends this process is for its parent, and that goes there without the stream.
process.stderr.write = (() => true) as typeof process.stderr.write;
process.env.QUANTFLEET_CACHE = join(root, "statistics");

process.on("message", async (input: FuzzInput) => {
  watchdog.begin();
  const { code, problems } = await carryOut(input, join(root, `${input.number}`)).catch(
    (error: unknown): Outcome => ({ code: 1, problems: [problemOf(error, "thrown")] }),
  );
  // What nobody waits for shows itself a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  watchdog.end();
  const most = 1_024 * process.resourceUsage().maxRSS;
  const excess: Problem[] =
    most > limits.bytes ? [{ name: "Memory", message: `${most} bytes were in use`, how: "thrown" }] : [];
  const outcome: Outcome = { code, problems: [...problems, ...stray.splice(0), ...excess] };
  process.send!(outcome);
});
