import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Queue, ReceivedMessage } from "../../shared/queues/queue.js";
import { toEvent } from "../functions/lambda-events.js";
import type { Answer, Invocation } from "./execution-environment.js";

export interface EventSourceOptions {
  readonly queue: Queue;
  /** The bundle's entry module. */
  readonly bundle: string;
  readonly environment: Readonly<Record<string, string>>;
  /** For the environments' temporary storage. */
  readonly folder: string;
  readonly batchSize: number;
  readonly concurrency: number;
  readonly timeoutSeconds: number;
}

const ENVIRONMENT = fileURLToPath(new URL("./execution-environment.js", import.meta.url));
const WAIT_MILLISECONDS = 1_000;

/**
 * Lambda's event source: polls a queue, hands batches to execution environments, one process each, and
 * acknowledges what they do not report as failed. A process that ends has failed its batch; another takes its
 * place.
 */
export class EventSource {
  readonly #stop = new AbortController();
  readonly #pollers: Promise<void>[];
  readonly #environments = new Set<ChildProcess>();

  constructor(private readonly options: EventSourceOptions) {
    this.#pollers = Array.from({ length: options.concurrency }, () => this.#poll());
  }

  /** Kills one of the processes, as a machine's failure would; whether there was one. */
  kill(): boolean {
    const [environment] = this.#environments;
    return environment?.kill("SIGKILL") ?? false;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const environment of this.#environments) environment.kill("SIGKILL");
    await Promise.all(this.#pollers);
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    let environment: ChildProcess | undefined;
    while (!signal.aborted) {
      const { queue, batchSize } = this.options;
      const messages = await queue.receive({ max: batchSize, waitMilliseconds: WAIT_MILLISECONDS, signal });
      if (messages.length === 0) continue;
      environment = environment?.connected ? environment : await this.#start();
      const answer = await this.#invoke(environment, messages);
      if (answer === undefined || "error" in answer) continue;
      const failed = new Set(answer.response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      for (const { id, receipt } of messages) if (!failed.has(id)) await queue.acknowledge(receipt);
    }
  }

  async #start(): Promise<ChildProcess> {
    const { bundle, environment } = this.options;
    const child = fork(ENVIRONMENT, [bundle], {
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        NODE_V8_COVERAGE: "",
        ...environment,
        // Temporary storage is each environment's own.
        TMPDIR: await mkdtemp(join(this.options.folder, "environment-")),
      },
      // Logs go to CloudWatch on AWS, and nowhere here.
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#environments.add(child);
    child.once("exit", () => this.#environments.delete(child));
    await Promise.race([once(child, "message"), once(child, "exit")]);
    return child;
  }

  async #invoke(child: ChildProcess, messages: readonly ReceivedMessage[]): Promise<Answer | undefined> {
    const invocation: Invocation = {
      event: toEvent(messages),
      timeoutMilliseconds: this.options.timeoutSeconds * 1_000,
    };
    return new Promise((resolve) => {
      const settle = (answer: Answer | undefined): void => {
        child.off("message", answered);
        child.off("exit", ended);
        resolve(answer);
      };
      const answered = (answer: unknown): void => settle(answer as Answer);
      const ended = (): void => settle(undefined);
      child.on("message", answered);
      child.on("exit", ended);
      if (child.connected) child.send(invocation);
      else ended();
    });
  }
}
