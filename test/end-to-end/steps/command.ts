import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** Outcome of a command. */
export interface CommandOutcome {
  /** The exit code, or the signal that ended the process. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

const COMMAND = fileURLToPath(new URL("../../../scripts/quantfleet.js", import.meta.url));

/** A command running in a process, as a user starts it. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly outcome: Promise<CommandOutcome>;
}

/** @param folder working directory and statistics cache, separate from the user's own */
export function startCommand(argv: readonly string[], folder: string): RunningCommand {
  const child = spawn(process.execPath, [COMMAND, ...argv], {
    cwd: folder,
    env: { ...process.env, QUANTFLEET_CACHE: `${folder}/statistics` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString("utf8");
  });
  const outcome = once(child, "close").then(
    ([code, signal]): CommandOutcome => ({
      code: (code as number | null) ?? String(signal),
      stdout: stdout!(),
      stderr: stderr!(),
    }),
  );
  return { process: child, outcome };
}

export function runCommand(argv: readonly string[], folder: string): Promise<CommandOutcome> {
  return startCommand(argv, folder).outcome;
}

/** Runs commands in one thread of this process, so that the program is loaded only once. */
export class CommandThread {
  readonly #worker: Worker;

  constructor(folder: string) {
    this.#worker = new Worker(new URL("./command-thread.js", import.meta.url), {
      env: { ...process.env, QUANTFLEET_CACHE: `${folder}/statistics` },
    });
  }

  async run(argv: readonly string[]): Promise<CommandOutcome> {
    this.#worker.postMessage(argv);
    const [outcome] = await once(this.#worker, "message");
    return outcome as CommandOutcome;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
