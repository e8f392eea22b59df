import { writeSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** Resource limits of one input. */
export interface Limits {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly bytes: number;
}

export const LIMITS: Limits = { cpuSeconds: 60, wallSeconds: 300, bytes: 4 * 2 ** 30 };

const POLL_MILLISECONDS = 50;
const STDERR = 2;
/**
 * Indices of the numbers shared by both threads, such as the start time of the input in seconds; 0 while
 * there is none.
 */
const CPU = 0;
const WALL = 1;

/**
 * Ends this process when an input exceeds a limit, with the reason on stderr. Runs in a separate thread,
 * because the main thread may be blocked indefinitely, also inside ONNX Runtime.
 */
export class Watchdog {
  readonly #began = new Float64Array(new SharedArrayBuffer(16));

  constructor(limits: Limits) {
    const watched: Watched = { began: this.#began, limits };
    new Worker(new URL(import.meta.url), { workerData: watched }).unref();
  }

  begin(): void {
    this.#began[CPU] = cpuSeconds();
    this.#began[WALL] = performance.timeOrigin + performance.now();
  }

  end(): void {
    this.#began[WALL] = 0;
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

interface Watched {
  readonly began: Float64Array;
  readonly limits: Limits;
}

function excess({ began, limits }: Watched): string | undefined {
  const [cpu = 0, wall = 0] = began;
  // The start time is read once, as the input may end between two reads.
  if (wall === 0) return undefined;
  if (process.memoryUsage.rss() > limits.bytes) return `more than ${limits.bytes} bytes of memory`;
  if (cpuSeconds() - cpu > limits.cpuSeconds) return `more than ${limits.cpuSeconds} s of processor time`;
  const seconds = (performance.timeOrigin + performance.now() - wall) / 1_000;
  return seconds > limits.wallSeconds ? `no end within ${limits.wallSeconds} s` : undefined;
}

if (parentPort !== null) {
  const watched = workerData as Watched;
  setInterval(() => {
    const why = excess(watched);
    if (why === undefined) return;
    writeSync(STDERR, `it took ${why}\n`);
    process.kill(process.pid, "SIGKILL");
  }, POLL_MILLISECONDS);
}
