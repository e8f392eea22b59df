import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { QuantfleetError, RunError, UsageError } from "../../../../shared/basics/errors.js";
import { exitCodeOf } from "../../../cli/commands/exit-code.js";
import { packageRoot } from "../../../package/package-root.js";

/** Runs a bench's main function; errors of its user are printed as one sentence on stderr. */
export function runBench(name: string, main: () => void): void {
  try {
    main();
  } catch (error) {
    const message = refusal(error);
    if (message === undefined) throw error;
    process.stderr.write(`${name}: ${message}\n`);
    process.exitCode = exitCodeOf(error instanceof QuantfleetError ? error : new UsageError(message));
  }
}

function refusal(error: unknown): string | undefined {
  if (error instanceof QuantfleetError) return error.message;
  if (!(error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_"))) {
    return undefined;
  }
  const [what] = error.message.split(". ");
  return `${what?.replace(/\.$/, "")}; see --help.`;
}

export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`--${name} is "${text}", but must be a whole number from 1 on.`);
  }
  return value;
}

export interface StudyOptions {
  readonly seeds: number;
  readonly trials: number;
  readonly batch: number;
}

/** Runs a Python script of scripts/tools/bench/peers on a problem file and returns what it prints. */
export function runPeer(python: string, script: string, path: string, options: StudyOptions): string {
  const file = join(packageRoot(), "scripts", "tools", "bench", "peers", script);
  const { seeds, trials, batch } = options;
  const given = Object.entries({ seeds, trials, batch }).flatMap(([name, value]) => [
    `--${name}`,
    `${value}`,
  ]);
  const run = spawnSync(python, [file, ...given, path], { encoding: "utf8" });
  if (run.error !== undefined) {
    const reason = "code" in run.error ? String(run.error.code) : run.error.message;
    throw new UsageError(`--python ${python} does not start (${reason}); give a Python that has Optuna.`);
  }
  if (run.status !== 0) {
    const said = run.stderr.trim().split("\n").at(-1);
    throw new RunError(`${python} ${file} failed on ${path} (${said}); install Optuna and numpy there.`);
  }
  return run.stdout;
}
