import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findDefect } from "./finding.js";
import type { FuzzInput, Outcome } from "./inputs/fuzz-input.js";
import { LIMITS, type Limits } from "./watchdog.js";

/** A fuzz input that shows a defect, and the defect. */
export interface Finding {
  readonly input: FuzzInput;
  readonly defect: string;
  /** What the input led to; undefined where the process crashed. */
  readonly outcome?: Outcome;
}

/** What became of a fuzz input: its exit code, or a defect. */
export interface InputResult {
  readonly input: FuzzInput;
  readonly code?: number;
  readonly finding?: Finding;
}

/** Number of inputs after which a process is replaced, because its memory is fragmented. */
const INPUTS_A_PROCESS = 200;
const STDERR_LENGTH = 500;

/**
 * Runs inputs in parallel processes; a process is reused for further inputs until it shows a defect or has run
 * `INPUTS_A_PROCESS` of them.
 */
export async function* runInputs(
  inputs: Iterable<FuzzInput>,
  processes: number,
  limits = LIMITS,
): AsyncGenerator<InputResult, void, undefined> {
  const root = await mkdtemp(join(tmpdir(), "quantfleet-fuzz-"));
  const iterator = inputs[Symbol.iterator]();
  const lanes = new Map<number, Promise<{ lane: number; result: InputResult }>>();
  const processSlots = Array.from({ length: processes }, () => new PoolProcess(root, limits));
  const feed = (lane: number): void => {
    const { value: input, done } = iterator.next();
    if (done === true) lanes.delete(lane);
    else
      lanes.set(
        lane,
        processSlots[lane]!.run(input).then((result) => ({ lane, result })),
      );
  };
  try {
    for (let lane = 0; lane < processes; lane++) feed(lane);
    while (lanes.size > 0) {
      const { lane, result } = await Promise.race(lanes.values());
      feed(lane);
      yield result;
    }
  } finally {
    for (const slot of processSlots) slot.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** A slot of the pool: it has one process at a time. */
class PoolProcess {
  #child: ChildProcess | undefined;
  #inputs = 0;
  #stderr = "";

  constructor(
    private readonly root: string,
    private readonly limits: Limits,
  ) {}

  async run(input: FuzzInput): Promise<InputResult> {
    const child = this.#open();
    const outcome = await new Promise<Outcome | string>((resolve) => {
      const ended = (code: number | null, signal: string | null): void =>
        resolve(`the process ended with ${signal ?? `exit code ${code}`}; ${this.#stderr.trim()}`);
      child.once("close", ended);
      child.once("message", (message: Outcome) => {
        child.off("close", ended);
        resolve(message);
      });
      child.send(input);
    });
    if (typeof outcome === "string") {
      this.#child = undefined;
      return { input, finding: { input, defect: outcome } };
    }
    this.#inputs += 1;
    const defect = findDefect(outcome);
    if (this.#inputs === INPUTS_A_PROCESS || defect !== undefined) this.close();
    return {
      input,
      code: outcome.code,
      ...(defect === undefined ? {} : { finding: { input, defect, outcome } }),
    };
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  #open(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    this.#inputs = 0;
    this.#stderr = "";
    const child = fork(
      new URL("./fuzz-process.js", import.meta.url),
      [this.root, JSON.stringify(this.limits)],
      {
        serialization: "advanced",
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      },
    );
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-STDERR_LENGTH);
    });
    this.#child = child;
    return child;
  }
}
