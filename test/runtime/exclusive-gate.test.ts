import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { ExclusiveGate } from "../../shared/runtime/exclusive-gate.js";
import { BOARD, DEAD, type GateThread, MEASURE_EVERY } from "./gate-thread.js";

const THREADS = 4;
/** Longer than any run of the threads that does not hang. */
const HANG_MILLISECONDS = 20_000;
const ROUNDS = 30_000;

function newBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(BOARD.words * Int32Array.BYTES_PER_ELEMENT);
}

async function runThread(workerData: GateThread): Promise<number> {
  const thread = new Worker(new URL("./gate-thread.js", import.meta.url), { workerData });
  const [code] = await once(thread, "exit");
  return code as number;
}

describe("The gate between worker threads", () => {
  test("admits no other thread while one measures, and all threads finish", async () => {
    const [gate, board] = [ExclusiveGate.buffer(THREADS), newBoard()];
    const threads = Array.from({ length: THREADS }, (_, slot) =>
      runThread({ gate, slot, board, rounds: ROUNDS }),
    );
    assert.deepEqual(await Promise.all(threads), [0, 0, 0, 0]);
    const words = new Int32Array(board);
    assert.equal(words[BOARD.violations], 0);
    assert.equal(words[BOARD.measured], THREADS * (ROUNDS / MEASURE_EVERY));
    assert.equal(words[BOARD.scored], THREADS * (ROUNDS - ROUNDS / MEASURE_EVERY));
  });

  for (const dies of ["shared", "exclusive"] as const) {
    test(`recovers from a thread that died inside (${dies})`, { timeout: HANG_MILLISECONDS }, async () => {
      const [gate, board] = [ExclusiveGate.buffer(2), newBoard()];
      assert.equal(await runThread({ gate, slot: 0, board, rounds: 0, dies }), DEAD);
      const other = runThread({ gate, slot: 1, board, rounds: 2 * MEASURE_EVERY });
      ExclusiveGate.abandon(gate, 0);
      assert.equal(await other, 0);
      assert.equal(new Int32Array(board)[BOARD.measured], 2);
    });
  }

  test("is released by work that fails", async () => {
    const gate = new ExclusiveGate(ExclusiveGate.buffer(1), 0);
    const failing = async (): Promise<never> => {
      throw new Error("no");
    };
    await assert.rejects(gate.shared(failing));
    await assert.rejects(gate.exclusively(failing));
    assert.equal(await gate.exclusively(async () => 1), 1);
    assert.equal(await gate.shared(async () => 2), 2);
  });
});
