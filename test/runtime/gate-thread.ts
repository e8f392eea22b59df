import { parentPort, workerData } from "node:worker_threads";
import { ExclusiveGate } from "../../shared/runtime/exclusive-gate.js";

/** Worker data of the threads in exclusive-gate.test.ts. */
export interface GateThread {
  readonly gate: SharedArrayBuffer;
  readonly slot: number;
  /** Terminates the thread while it is inside. */
  readonly dies?: "shared" | "exclusive";
  readonly board: SharedArrayBuffer;
  readonly rounds: number;
}

/** Indices of shared counters: threads inside, violations and finished work. */
export const BOARD = { shared: 0, exclusive: 1, violations: 2, measured: 3, scored: 4, words: 5 } as const;

/** Exit code of a thread that was asked to terminate. */
export const DEAD = 9;

/** A thread measures in every third round and scores in the others. */
export const MEASURE_EVERY = 3;

function spin(turns: number): void {
  for (let i = 0; i < turns; i++) Math.sqrt(i);
}

async function play({ gate, slot, dies, board, rounds }: GateThread): Promise<void> {
  const exclusiveGate = new ExclusiveGate(gate, slot);
  const die = async (): Promise<never> => process.exit(DEAD);
  if (dies === "shared") await exclusiveGate.shared(die);
  if (dies === "exclusive") await exclusiveGate.exclusively(die);
  const words = new Int32Array(board);
  const seeNobody = (word: number): void => {
    if (Atomics.load(words, word) > 0) Atomics.add(words, BOARD.violations, 1);
  };
  for (let round = 0; round < rounds; round++) {
    if (round % MEASURE_EVERY === 0) {
      await exclusiveGate.exclusively(async () => {
        seeNobody(BOARD.exclusive);
        Atomics.add(words, BOARD.exclusive, 1);
        seeNobody(BOARD.shared);
        spin(100);
        // Yields to other threads, none of which may enter now.
        await Promise.resolve();
        seeNobody(BOARD.shared);
        Atomics.sub(words, BOARD.exclusive, 1);
        Atomics.add(words, BOARD.measured, 1);
      });
    } else {
      await exclusiveGate.shared(async () => {
        Atomics.add(words, BOARD.shared, 1);
        seeNobody(BOARD.exclusive);
        spin(10);
        await Promise.resolve();
        seeNobody(BOARD.exclusive);
        Atomics.sub(words, BOARD.shared, 1);
        Atomics.add(words, BOARD.scored, 1);
      });
    }
  }
}

if (parentPort !== null) {
  await play(workerData as GateThread);
}
