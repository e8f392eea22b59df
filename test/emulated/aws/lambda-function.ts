import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { SQSEvent } from "aws-lambda";
import { processorSeconds } from "../process-times.js";
import type { Answer, Invocation } from "./execution-environment.js";
import { Lineage, MOST_INVOCATIONS, TRACE_HEADER } from "./invocation-chain.js";

export interface LambdaFunctionOptions {
  /** The folder with the function's files. */
  readonly code: string;
  /** Module and export, as "index.handler". */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  /** For the environments' temporary storage. */
  readonly folder: string;
  readonly timeoutSeconds: number;
  /** What becomes of a chain of calls that leads to the function again and again. */
  readonly recursiveLoop: "Allow" | "Terminate";
  /** Told each line that a function writes to its log. */
  readonly onLog: (line: string) => void;
}

const ENVIRONMENT = fileURLToPath(new URL("./execution-environment.js", import.meta.url));

/** A function with its execution environments, one process each: one that is free, the latest used first, or a new one. */
export class LambdaFunction {
  readonly #free: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  #isClosed = false;
  #longestChain = 0;
  #stop: (why: string) => void = () => undefined;
  /** Says why, once a chain of calls was stopped. */
  readonly stopped = new Promise<string>((resolve) => {
    this.#stop = resolve;
  });

  constructor(readonly options: LambdaFunctionOptions) {}

  /** How often one chain of calls has led here. */
  get longestChain(): number {
    return this.#longestChain;
  }

  /** Kills one of the processes, as a machine's failure would; whether there was one. */
  kill(choose: (count: number) => number = () => 0): boolean {
    const environments = [...this.#all];
    return environments[choose(environments.length)]?.kill("SIGKILL") ?? false;
  }

  /** What its environments have had of the processors, those that have ended left out. */
  processorSeconds(): number {
    return [...this.#all].reduce((sum, { pid }) => sum + (pid === undefined ? 0 : processorSeconds(pid)), 0);
  }

  /** @returns `undefined` when the process ended, the time was up, or the chain of calls that led here was stopped */
  async invoke(event: unknown): Promise<Answer | undefined> {
    const { recursiveLoop, environment: own } = this.options;
    const name = own.AWS_LAMBDA_FUNCTION_NAME ?? "";
    const lineage = lineageOf(event, name);
    if (lineage.invocationsOf(name) >= MOST_INVOCATIONS && recursiveLoop === "Terminate") {
      this.#stop(`${name} was invoked ${MOST_INVOCATIONS} times in a chain`);
      return undefined;
    }
    const next = lineage.after(name);
    this.#longestChain = Math.max(this.#longestChain, next.invocationsOf(name));
    const environment = this.#take() ?? (await this.#start());
    const answer = await this.#send(environment, event, next.toHeader());
    if (environment.connected) this.#free.push(environment);
    return answer;
  }

  close(): void {
    this.#isClosed = true;
    for (const environment of this.#all) environment.kill("SIGKILL");
  }

  #take(): ChildProcess | undefined {
    for (;;) {
      const environment = this.#free.pop();
      if (environment === undefined || environment.connected) return environment;
    }
  }

  async #start(): Promise<ChildProcess> {
    const { code, handler, environment, folder, onLog } = this.options;
    const [module = "", name = ""] = handler.split(".");
    const child = fork(ENVIRONMENT, [join(code, `${module}.js`), name], {
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        NODE_V8_COVERAGE: "",
        ...environment,
        AWS_LAMBDA_LOG_STREAM_NAME: `2026/11/01/[$LATEST]${randomUUID().replaceAll("-", "")}`,
        // Temporary storage is each environment's own.
        TMPDIR: await mkdtemp(join(folder, "environment-")),
      },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on("line", onLog);
    this.#all.add(child);
    child.once("exit", () => this.#all.delete(child));
    await Promise.race([once(child, "message"), once(child, "exit")]);
    if (this.#isClosed) child.kill("SIGKILL");
    return child;
  }

  #send(child: ChildProcess, event: unknown, trace: string): Promise<Answer | undefined> {
    const timeoutMilliseconds = this.options.timeoutSeconds * 1_000;
    return new Promise((resolve) => {
      const settle = (answer: Answer | undefined): void => {
        clearTimeout(timeout);
        child.off("message", answered);
        child.off("exit", ended);
        resolve(answer);
      };
      const answered = (answer: unknown): void => settle(answer as Answer);
      const ended = (): void => settle(undefined);
      const timeout = setTimeout(() => child.kill("SIGKILL"), timeoutMilliseconds);
      child.on("message", answered);
      child.on("exit", ended);
      const invocation: Invocation = { event, timeoutMilliseconds, trace };
      if (child.connected) child.send(invocation, (error) => error && ended());
      else ended();
    });
  }
}

/** Which of a batch's chains counts is not documented; here it is the one that has led to the function most often. */
function lineageOf(event: unknown, name: string): Lineage {
  const { Records = [] } = event as Partial<SQSEvent>;
  const lineages = Records.map(({ attributes }) => Lineage.parse(attributes[TRACE_HEADER]));
  return lineages.reduce(
    (longest, lineage) => (lineage.invocationsOf(name) >= longest.invocationsOf(name) ? lineage : longest),
    new Lineage(),
  );
}
