import { join } from "node:path";
import type { FuzzInput, Outcome, Problem } from "./inputs/fuzz-input.js";
import { problemOf } from "./problem.js";
import { runInput } from "./run-input.js";
import { type Limits, Watchdog } from "./watchdog.js";

/** A child process that receives inputs from its parent, one at a time, and answers each with its outcome. */
const [root = ".", given = "{}"] = process.argv.slice(2);
const limits: Limits = JSON.parse(given);
const watchdog = new Watchdog(limits);
const stray: Problem[] = [];
const keepStray = (error: unknown): void => void stray.push(problemOf(error, "thrown"));
process.on("uncaughtException", keepStray);
process.on("unhandledRejection", keepStray);
process.stdout.write = (() => true) as typeof process.stdout.write;
// The parent only needs stderr when this process crashes, and Node writes that without this stream.
process.stderr.write = (() => true) as typeof process.stderr.write;
process.env.QUANTFLEET_CACHE = join(root, "statistics");

process.on("message", async (input: FuzzInput) => {
  watchdog.begin();
  const { code, problems } = await runInput(input, join(root, `${input.number}`)).catch(
    (error: unknown): Outcome => ({ code: 1, problems: [problemOf(error, "thrown")] }),
  );
  // Node reports unhandled rejections one turn of the event loop later, so that turn is awaited.
  await new Promise((resolve) => setImmediate(resolve));
  watchdog.end();
  const most = 1_024 * process.resourceUsage().maxRSS;
  const excess: Problem[] =
    most > limits.bytes ? [{ name: "Memory", message: `${most} bytes were in use`, how: "thrown" }] : [];
  const outcome: Outcome = { code, problems: [...problems, ...stray.splice(0), ...excess] };
  process.send!(outcome);
});
