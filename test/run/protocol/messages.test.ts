import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventSchema, jobSchema, MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { createReducer } from "../../../shared/run/reducer/reducer.js";
import { answerToyJob } from "../toy-model.js";
import { toyRequest, toyStudy } from "../toy-study.js";

const request = toyRequest();
const requested = { version: MESSAGE_VERSION, runId: "toy", type: "RunRequested", at: 0, request } as const;
const [command] = createReducer(toyStudy).reduce(undefined, requested).commands;
assert.ok(command !== undefined && command.type !== "WriteRecord");
const { job } = command;
const report = answerToyJob(request, job, { worker: "w", isa: "i", at: 1 });
const overTheWire = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

describe("messages", () => {
  test("are the same after they have travelled as JSON", () => {
    assert.deepEqual(eventSchema.parse(overTheWire(requested)), requested);
    assert.deepEqual(jobSchema.parse(overTheWire(job)), job);
    assert.deepEqual(eventSchema.parse(overTheWire(report)), report);
  });

  for (const [problem, change] of [
    ["another version", { version: MESSAGE_VERSION + 1 }],
    ["no version", { version: undefined }],
    ["an unknown type", { type: "Restarted" }],
    ["a key nobody knows", { priority: 1 }],
    ["a run id that is a path", { runId: "../other" }],
    ["a run id that is too long", { runId: "x".repeat(65) }],
    ["a time that is none", { at: -1 }],
    ["a time that is no integer", { at: 0.5 }],
  ] as const)
    test(`with ${problem} are refused`, () => {
      assert.equal(eventSchema.safeParse(overTheWire({ ...report, ...change })).success, false);
    });

  test("with oversized parts are refused", () => {
    const outcome = { state: "failed", reason: "x".repeat(2_001) };
    assert.equal(eventSchema.safeParse({ ...report, outcome }).success, false);
    const base = Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`p${i}`, true]));
    assert.equal(eventSchema.safeParse({ ...requested, request: { ...request, base } }).success, false);
  });
});
