import { writeSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** What one input may take. */
export const LIMITS = { cpuSeconds: 60, wallSeconds: 300, bytes: 4 * 2 ** 30 } as const;

const POLL_MILLISECONDS = 50;
const STDERR = 2;
/** The places of the numbers that both threads see: when the input began, in seconds; 0 while there is none. */
const CPU = 0;
const WALL = 1;

/**
 * Ends this process when an input takes more than it may, saying why on stderr. It has a thread of its own, because the one
 * that carries inputs out may be busy without end, in ONNX Runtime too.
 */
export class Watchdog {
  readonly #began = new Float64Array(new SharedArrayBuffer(16));
  readonly #worker = new Worker(new URL(import.meta.url), { workerData: this.#began });

  constructor() {
    this.#worker.unref();
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

function excess(began: Float64Array): string | undefined {
  const [cpu = 0, wall = 0] = began;
  // Read once, as the input may end in between.
  if (wall === 0) return undefined;
  if (process.memoryUsage.rss() > LIMITS.bytes) return `more than ${LIMITS.bytes} bytes of memory`;
  if (cpuSeconds() - cpu > LIMITS.cpuSeconds) return `more than ${LIMITS.cpuSeconds} s of processor time`;
  const seconds = (performance.timeOrigin + performance.now() - wall) / 1_000;
  return seconds > LIMITS.wallSeconds ? `no end within ${LIMITS.wallSeconds} s` : undefined;
}

if (parentPort !== null && workerData instanceof Float64Array) {
  const began = workerData;
  setInterval(() => {
    const why = excess(began);
    if (why === undefined) return;
    writeSync(STDERR, `it took ${why}\n`);
    process.kill(process.pid, "SIGKILL");
  }, POLL_MILLISECONDS);
}
