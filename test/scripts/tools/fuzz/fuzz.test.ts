import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { type InputResult, runInputs } from "../../../../scripts/tools/fuzz/fuzz-pool.js";
import type { FuzzInput } from "../../../../scripts/tools/fuzz/inputs/fuzz-input.js";
import { makeInput, record } from "../../../../scripts/tools/fuzz/inputs/make-input.js";
import { LIMITS } from "../../../../scripts/tools/fuzz/watchdog.js";

const INPUTS = 200;
const SEED = 1;

const recorded = await record();
const inputs = Array.from({ length: INPUTS }, (_, number) => makeInput(SEED, number, recorded));

async function run(
  given: readonly FuzzInput[],
  processes: number,
  limits = LIMITS,
): Promise<readonly InputResult[]> {
  const result: InputResult[] = [];
  for await (const each of runInputs(given, processes, limits)) result.push(each);
  return result;
}

function command(files: Readonly<Record<string, Uint8Array>>, ...argv: string[]): FuzzInput {
  return {
    number: INPUTS,
    kind: "array",
    mutations: [],
    run: { type: "command", files: new Map(Object.entries(files)), argv },
  };
}

describe("The fuzzer", () => {
  test(`finds no defect in ${INPUTS} changed inputs`, async () => {
    const result = await run(inputs, availableParallelism());
    assert.equal(result.length, INPUTS);
    const findings = result.flatMap(({ finding }) => {
      if (finding === undefined) return [];
      const { input, defect, outcome } = finding;
      return [{ number: input.number, kind: input.kind, mutations: input.mutations, defect, outcome }];
    });
    assert.deepEqual(findings, []);
    // Both what is refused and what is carried out.
    for (const code of [0, 2]) assert.ok(result.filter((each) => each.code === code).length > INPUTS / 10);
  });

  test("makes the same inputs again from the same seed, and others from another", async () => {
    const again = await record();
    const copies = inputs.slice(0, 60).map(({ number }) => makeInput(SEED, number, again));
    assert.deepEqual(copies, inputs.slice(0, 60));
    assert.notDeepEqual(makeInput(SEED + 1, 0, recorded), inputs[0]);
  });

  test("tells of an input that shows a defect, and goes on after it", async () => {
    const nothing = Buffer.alloc(0);
    // Its files cannot be written: one is named like a folder.
    const broken = command({ "x/y": nothing, x: nothing });
    const refused = command({}, "inspect", "missing.onnx");
    const [first, second] = await run([broken, refused], 1);
    assert.match(first?.finding?.defect ?? "", /an error of class Error was thrown/);
    assert.deepEqual([second?.finding, second?.code], [undefined, 2]);
  });

  for (const [limit, says] of [
    [{ cpuSeconds: 0.01 }, /more than 0\.01 s of processor time/],
    [{ wallSeconds: 0.01 }, /no end within 0\.01 s/],
    [{ bytes: 1_000 }, /more than 1000 bytes of memory/],
  ] as const)
    test(`ends a process that takes more than ${JSON.stringify(limit)}`, async () => {
      // A whole run, which takes many looks of the watchdog.
      const files = Object.fromEntries(recorded.run);
      const long = command(files, "tune", "config.json", "--out", "new", "--workers", "1");
      const [result] = await run([long], 1, { ...LIMITS, ...limit });
      assert.match(result?.finding?.defect ?? "", /the process ended with SIGKILL/);
      assert.match(result?.finding?.defect ?? "", says);
    });
});
