import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findDefect } from "./finding.js";
import type { FuzzInput, Outcome } from "./inputs/fuzz-input.js";
import { LIMITS, type Limits } from "./watchdog.js";

/** An input that shows a defect. */
export interface Finding {
  readonly input: FuzzInput;
  readonly defect: string;
  /** Absent where the process ended. */
  readonly outcome?: Outcome;
}

/** What came of an input: its exit code, or that it shows a defect. */
export interface Judged {
  readonly input: FuzzInput;
  readonly code?: number;
  readonly finding?: Finding;
}

/** Inputs that a process carries out before another one takes its place, as memory is fragmented by then. */
const INPUTS_A_PROCESS = 200;
const STDERR_LENGTH = 500;

/** Carries inputs out in so many processes side by side, each of them in one that outlives it unless it crashes. */
export async function* carryOutAll(
  inputs: Iterable<FuzzInput>,
  processes: number,
  limits = LIMITS,
): AsyncGenerator<Judged, void, undefined> {
  const root = await mkdtemp(join(tmpdir(), "quantfleet-fuzz-"));
  const iterator = inputs[Symbol.iterator]();
  const lanes = new Map<number, Promise<{ lane: number; judged: Judged }>>();
  const carriers = Array.from({ length: processes }, () => new Carrier(root, limits));
  const feed = (lane: number): void => {
    const { value: input, done } = iterator.next();
    if (done === true) lanes.delete(lane);
    else
      lanes.set(
        lane,
        carriers[lane]!.judge(input).then((judged) => ({ lane, judged })),
      );
  };
  try {
    for (let lane = 0; lane < processes; lane++) feed(lane);
    while (lanes.size > 0) {
      const { lane, judged } = await Promise.race(lanes.values());
      feed(lane);
      yield judged;
    }
  } finally {
    for (const carrier of carriers) carrier.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** One process after the other. */
class Carrier {
  #child: ChildProcess | undefined;
  #carried = 0;
  #stderr = "";

  constructor(
    private readonly root: string,
    private readonly limits: Limits,
  ) {}

  async judge(input: FuzzInput): Promise<Judged> {
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
    this.#carried += 1;
    const defect = findDefect(outcome);
    if (this.#carried === INPUTS_A_PROCESS || defect !== undefined) this.close();
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
    this.#carried = 0;
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
