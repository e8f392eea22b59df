import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import type { FuzzInput } from "../../../scripts/fuzz/fuzz-input.js";
import { carryOutAll, type Judged } from "../../../scripts/fuzz/fuzz-pool.js";
import { makeInput, record } from "../../../scripts/fuzz/make-input.js";

const INPUTS = 200;
const SEED = 1;

const recorded = await record();
const inputs = Array.from({ length: INPUTS }, (_, number) => makeInput(SEED, number, recorded));

async function judge(given: readonly FuzzInput[], processes: number): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  for await (const each of carryOutAll(given, processes)) judged.push(each);
  return judged;
}

/** A command that does what no defect of the project does: it ends its process. */
const DEADLY: FuzzInput = {
  number: INPUTS,
  kind: "array",
  mutations: [],
  run: { type: "command", files: new Map([["x", Buffer.alloc(0)]]), argv: ["evaluate", "x", "x"] },
};

describe("The fuzzer", () => {
  test(`finds no defect in ${INPUTS} changed inputs`, async () => {
    const judged = await judge(inputs, availableParallelism());
    assert.equal(judged.length, INPUTS);
    const findings = judged.flatMap(({ finding }) => {
      if (finding === undefined) return [];
      const { input, defect, outcome } = finding;
      return [{ number: input.number, kind: input.kind, mutations: input.mutations, defect, outcome }];
    });
    assert.deepEqual(findings, []);
    // Both what is refused and what is carried out.
    for (const code of [0, 2]) assert.ok(judged.filter((each) => each.code === code).length > INPUTS / 10);
  });

  test("makes the same inputs again from the same seed, and others from another", async () => {
    const again = await record();
    const copies = inputs.slice(0, 60).map(({ number }) => makeInput(SEED, number, again));
    assert.deepEqual(copies, inputs.slice(0, 60));
    assert.notDeepEqual(makeInput(SEED + 1, 0, recorded), inputs[0]);
  });

  test("tells of an input that shows a defect, and goes on after it", async () => {
    // A folder that is named like the file which is to be written there cannot be made.
    const broken: FuzzInput = {
      ...DEADLY,
      run: {
        type: "command",
        files: new Map([
          ["x/y", Buffer.alloc(0)],
          ["x", Buffer.alloc(0)],
        ]),
        argv: [],
      },
    };
    const [first, second] = await judge([broken, DEADLY], 1);
    assert.match(first?.finding?.defect ?? "", /an error of class Error was thrown/);
    assert.deepEqual([second?.finding, second?.code], [undefined, 2]);
  });
});
