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
const throughJson = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

describe("messages", () => {
  test("are unchanged by JSON", () => {
    assert.deepEqual(eventSchema.parse(throughJson(requested)), requested);
    assert.deepEqual(jobSchema.parse(throughJson(job)), job);
    assert.deepEqual(eventSchema.parse(throughJson(report)), report);
  });

  for (const [problem, change] of [
    ["another version", { version: MESSAGE_VERSION + 1 }],
    ["no version", { version: undefined }],
    ["an unknown type", { type: "Restarted" }],
    ["an unknown key", { priority: 1 }],
    ["a run id that is a path", { runId: "../other" }],
    ["a run id that is too long", { runId: "x".repeat(65) }],
    ["a negative time", { at: -1 }],
    ["a fractional time", { at: 0.5 }],
  ] as const)
    test(`with ${problem} are refused`, () => {
      assert.equal(eventSchema.safeParse(throughJson({ ...report, ...change })).success, false);
    });

  test("with oversized parts are refused", () => {
    const outcome = { state: "failed", reason: "x".repeat(2_001) };
    assert.equal(eventSchema.safeParse({ ...report, outcome }).success, false);
    const base = Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`p${i}`, true]));
    assert.equal(eventSchema.safeParse({ ...requested, request: { ...request, base } }).success, false);
  });
});
