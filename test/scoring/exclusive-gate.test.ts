import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { ExclusiveGate } from "../../shared/scoring/exclusive-gate.js";
import { BOARD, type GateThread } from "./gate-thread.js";

const THREADS = 4;
const ROUNDS = 700;

describe("The gate between worker threads", () => {
  test("has nobody else inside while one measures, and lets all through in the end", async () => {
    const board = new SharedArrayBuffer(BOARD.words * Int32Array.BYTES_PER_ELEMENT);
    const workerData: GateThread = { gate: new ExclusiveGate().buffer, board, rounds: ROUNDS };
    const threads = Array.from(
      { length: THREADS },
      () => new Worker(new URL("./gate-thread.js", import.meta.url), { workerData }),
    );
    const codes = await Promise.all(threads.map(async (thread) => (await once(thread, "exit"))[0]));
    const words = new Int32Array(board);
    assert.deepEqual(codes, [0, 0, 0, 0]);
    assert.equal(words[BOARD.violations], 0);
    assert.equal(words[BOARD.measured], THREADS * (ROUNDS / 7));
    assert.equal(words[BOARD.scored], THREADS * (ROUNDS - ROUNDS / 7));
  });

  test("is left by work that fails", async () => {
    const gate = new ExclusiveGate();
    const failing = async (): Promise<never> => {
      throw new Error("no");
    };
    await assert.rejects(gate.shared(failing));
    await assert.rejects(gate.exclusively(failing));
    assert.equal(await gate.exclusively(async () => 1), 1);
    assert.equal(await gate.shared(async () => 2), 2);
  });
});
