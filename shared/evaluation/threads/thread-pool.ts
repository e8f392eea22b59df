import { MessageChannel, Worker } from "node:worker_threads";
import { RunError } from "../../basics/errors.js";
import { toError } from "../../run/protocol/failed-outcome.js";
import type { Job, JobReport } from "../../run/protocol/messages.js";
import { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { serveObjectStore } from "../../storage/port-store.js";
import type { LocalSettings } from "./evaluator-thread.js";
import type { ReportMessage, ThreadMessage, ThreadSettings } from "./job-thread.js";

const LOCAL_THREAD = new URL("./evaluator-thread.js", import.meta.url);

/** How long a thread may take to end by itself before it is terminated. */
const PATIENCE_MILLISECONDS = 5_000;
/** A number above that of every job; stored as the latest cancelled job, it cancels all jobs. */
const ALL_JOBS = 2 ** 31 - 1;

interface Waiting {
  readonly resolve: (report: JobReport) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Worker threads that carry out jobs, as ONNX Runtime blocks the thread that it runs on. They load their module at
 * once, while the run is still being prepared, and wait for `open`.
 */
export class ThreadPool<Settings extends object = LocalSettings> {
  readonly #gate: SharedArrayBuffer;
  readonly #threads: Thread<Settings>[];
  #settings: Settings | undefined;
  #closed = false;

  /**
   * @param entry the threads' module, which calls `serveJobs`; the one for runs on this machine when left out
   * @param store an object store that the threads use through this thread (`openThreadStore`)
   */
  constructor(
    readonly slots: number,
    private readonly entry: URL = LOCAL_THREAD,
    private readonly store?: ObjectStore,
  ) {
    this.#gate = ExclusiveGate.buffer(slots);
    this.#threads = Array.from({ length: slots }, (_, slot) => this.#start(slot));
  }

  /** Opens the threads, and those that replace dead ones, with the settings of their jobs; to be called once. */
  open(settings: Settings): this {
    this.#settings = settings;
    for (const thread of this.#threads) thread.open(settings);
    return this;
  }

  /** Resolves when the threads have loaded their module or died. */
  async loaded(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.loaded));
  }

  /**
   * Resolves when all threads are ready for their first jobs or have died; it waits for `open` to be called.
   */
  async prepared(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.prepared));
  }

  /**
   * Carries out a job on an idle thread.
   * @throws {RunError} when the thread dies; a new one takes its place
   */
  async run(job: Job, signal: AbortSignal): Promise<JobReport> {
    const slot = this.#threads.findIndex((thread) => !thread.busy);
    if (slot < 0) throw new RunError(`All ${this.slots} worker threads are busy; wait for one.`);
    const thread = this.#alive(slot);
    try {
      return await thread.run(job, signal);
    } finally {
      this.#alive(slot);
    }
  }

  /** Cancels the threads' jobs and ends the threads; those that take longer than the patience are terminated. */
  async close(patienceMilliseconds = PATIENCE_MILLISECONDS): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map((thread) => thread.close(patienceMilliseconds)));
  }

  /** The thread of a slot (a place in the pool); a dead one is replaced. */
  #alive(slot: number): Thread<Settings> {
    const thread = this.#threads[slot]!;
    if (!thread.dead || this.#closed) return thread;
    ExclusiveGate.abandon(this.#gate, slot);
    const next = this.#start(slot);
    this.#threads[slot] = next;
    return next;
  }

  #start(slot: number): Thread<Settings> {
    const gate = { buffer: this.#gate, slot };
    const thread = new Thread<Settings>(this.entry, { name: `worker-${slot + 1}`, gate }, this.store);
    if (this.#settings !== undefined) thread.open(this.#settings);
    return thread;
  }
}

class Thread<Settings> {
  readonly name: string;
  dead = false;
  readonly loaded: Promise<void>;
  readonly prepared: Promise<void>;
  #markLoaded: () => void = () => undefined;
  #markPrepared: () => void = () => undefined;
  #waiting: Waiting | undefined;
  #number = 0;
  readonly #cancelled = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  readonly #exited: Promise<void>;

  constructor(entry: URL, settings: Omit<ThreadSettings, "cancelled" | "store">, store?: ObjectStore) {
    this.name = settings.name;
    this.loaded = new Promise((resolve) => {
      this.#markLoaded = resolve;
    });
    this.prepared = new Promise((resolve) => {
      this.#markPrepared = resolve;
    });
    const { port1, port2 } = new MessageChannel();
    if (store !== undefined) serveObjectStore(store, port1);
    const workerData: ThreadSettings = { ...settings, cancelled: this.#cancelled.buffer, store: port2 };
    this.#worker = new Worker(entry, { workerData, transferList: [port2] });
    this.#worker.on("message", (message: ReportMessage) => this.#answer(message));
    this.#worker.on("error", (error) => this.#die(error.message));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#die(`it ended with code ${code}`);
        resolve();
      });
    });
  }

  open(settings: Settings): void {
    this.#post({ settings });
  }

  get busy(): boolean {
    return this.#waiting !== undefined;
  }

  run(job: Job, signal: AbortSignal): Promise<JobReport> {
    const number = ++this.#number;
    const cancel = (): void => {
      Atomics.store(this.#cancelled, 0, number);
    };
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel, { once: true });
    return new Promise<JobReport>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#post({ number, job });
    }).finally(() => {
      signal.removeEventListener("abort", cancel);
    });
  }

  /** Lets the thread end by itself: terminating it within ONNX Runtime ends the process (an uncaught Napi::Error). */
  async close(patienceMilliseconds: number): Promise<void> {
    this.dead = true;
    Atomics.store(this.#cancelled, 0, ALL_JOBS);
    this.#post({ close: true });
    const patience = setTimeout(() => void this.#worker.terminate(), patienceMilliseconds);
    await this.#exited;
    clearTimeout(patience);
  }

  #post(message: ThreadMessage<Settings>): void {
    this.#worker.postMessage(message);
  }

  #answer(message: ReportMessage): void {
    if ("loaded" in message) this.#markLoaded();
    else if ("prepared" in message) this.#markPrepared();
    else this.#settle(message);
  }

  #settle(message: Extract<ReportMessage, { readonly number: number }>): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if ("report" in message) waiting?.resolve(message.report);
    else waiting?.reject(toError(message.failure));
  }

  #die(reason: string): void {
    this.dead = true;
    this.#markLoaded();
    this.#markPrepared();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new RunError(`Worker thread ${this.name} died: ${reason}.`));
  }
}
