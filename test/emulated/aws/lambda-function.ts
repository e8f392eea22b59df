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
import { InvocationChain, MAX_INVOCATIONS, TRACE_HEADER } from "./invocation-chain.js";

export interface LambdaFunctionOptions {
  /** The folder with the function's files. */
  readonly code: string;
  /** Module and export, as "index.handler". */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Folder for the temporary storage of the environments. */
  readonly folder: string;
  readonly timeoutSeconds: number;
  /** Whether a recursive chain of calls is stopped. */
  readonly recursiveLoop: "Allow" | "Terminate";
  /** Called with each line of the function's log. */
  readonly onLog: (line: string) => void;
}

const ENVIRONMENT = fileURLToPath(new URL("./execution-environment.js", import.meta.url));

/**
 * An emulated function with its execution environments, one process each. An invocation uses the most
 * recently used free one, or starts a new one.
 */
export class LambdaFunction {
  readonly #free: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  #isClosed = false;
  #longestChain = 0;
  #stop: (why: string) => void = () => undefined;
  /** Resolves with the reason when a chain of calls was stopped. */
  readonly stopped = new Promise<string>((resolve) => {
    this.#stop = resolve;
  });

  constructor(readonly options: LambdaFunctionOptions) {}

  /** Maximum number of invocations of this function in one chain. */
  get longestChain(): number {
    return this.#longestChain;
  }

  /** Kills one of the processes, like a failure of its machine; returns whether there was one. */
  kill(choose: (count: number) => number = () => 0): boolean {
    const environments = [...this.#all];
    return environments[choose(environments.length)]?.kill("SIGKILL") ?? false;
  }

  /** Processor time of the running environments, without those that have ended. */
  processorSeconds(): number {
    return [...this.#all].reduce((sum, { pid }) => sum + (pid === undefined ? 0 : processorSeconds(pid)), 0);
  }

  /** @returns `undefined` if the process ended, timed out, or the chain of calls was stopped */
  async invoke(event: unknown): Promise<Answer | undefined> {
    const { recursiveLoop, environment: own } = this.options;
    const name = own.AWS_LAMBDA_FUNCTION_NAME ?? "";
    const chain = longestChainOf(event, name);
    if (chain.invocationsOf(name) >= MAX_INVOCATIONS && recursiveLoop === "Terminate") {
      this.#stop(`${name} was invoked ${MAX_INVOCATIONS} times in a chain`);
      return undefined;
    }
    const next = chain.after(name);
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
        // Each environment has its own temporary storage.
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
      const end = (answer: Answer | undefined): void => {
        clearTimeout(timeout);
        child.off("message", answered);
        child.off("exit", ended);
        resolve(answer);
      };
      const answered = (answer: unknown): void => end(answer as Answer);
      const ended = (): void => end(undefined);
      const timeout = setTimeout(() => child.kill("SIGKILL"), timeoutMilliseconds);
      child.on("message", answered);
      child.on("exit", ended);
      const invocation: Invocation = { event, timeoutMilliseconds, trace };
      if (child.connected) child.send(invocation, (error) => error && ended());
      else ended();
    });
  }
}

/**
 * The chain of a batch with the most invocations of this function; which one Lambda uses is not documented.
 */
function longestChainOf(event: unknown, name: string): InvocationChain {
  const { Records = [] } = event as Partial<SQSEvent>;
  const chains = Records.map(({ attributes }) => InvocationChain.parse(attributes[TRACE_HEADER]));
  return chains.reduce(
    (longest, chain) => (chain.invocationsOf(name) >= longest.invocationsOf(name) ? chain : longest),
    new InvocationChain(),
  );
}
