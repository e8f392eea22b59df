import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { SEGMENT_SIZE } from "../../../shared/run/protocol/record-keys.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { stateDocumentSchema, toStateDocument } from "../../../shared/run/records/state-document.js";
import { markCarriedOut } from "../../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../../shared/run/reducer/reducer.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { toyBase } from "../toy-model.js";
import { type ToyRequestOptions, toyRequest, toyStudy } from "../toy-study.js";

/** A run of 200 groups in its 10,000th trial, with everything in progress that can be. */
function largeState(options: ToyRequestOptions): RunState {
  const request = toyRequest({ groups: 200, maxTrials: 20_000, ...options });
  const base = toyBase(request.space);
  const at = Date.UTC(2026, 10, 1);
  const { reduce } = createReducer(toyStudy);
  const requested = reduce(undefined, {
    version: MESSAGE_VERSION,
    runId: "toy",
    type: "RunRequested",
    at,
    request,
  });
  assert.ok(requested.state);
  const begun = markCarriedOut(requested.state, requested.commands);
  const configurationOf = (number: number): Configuration => ({
    ...base,
    "g0.outlier": [0.001, 0.0001, 0.00001][number % 3]!,
  });
  const measured = {
    seen: 10_000,
    askedAt: at,
    endedAt: at + 5_000,
    attempts: 1,
    worker: "2026/11/01/[42]0123456789abcdef0123456789abcdef",
    timings: { quantize: 0.0123456, session: 0.0234567, inference: 4.567891, total: 4.789123 },
    scores: Array.from({ length: request.evaluation.shards }, () => "0123456789ab"),
    measurement: {
      metric: 0.9123456789012345,
      samples: 1_000,
      bytes: 12_345_678,
      quantizedShare: { byCount: 0.9523809523809523, byParameters: 0.9876543210987654 },
      latency: { ratio: 1.681234567890123, noise: 0.0123456789012345 },
    },
  };
  const finished = Array.from({ length: 10_009 }, (_, number) => ({
    number,
    configuration: configurationOf(number),
    state: "complete" as const,
    ...measured,
  }));
  const running = Array.from({ length: request.parallel }, (_, i) => ({
    number: 10_009 + i,
    configuration: configurationOf(i),
    seen: 10_000,
    askedAt: at,
    racing: true,
    incumbent: 9_876,
    shards: Array.from({ length: request.evaluation.shards }, () => ({
      state: "waiting" as const,
      assignment: { attempt: 1, firstAttempt: 1, sent: true, deadline: at + 300_000, failedAttempts: [] },
    })),
  }));
  const sensitivity = Object.fromEntries(Array.from({ length: 200 }, (_, g) => [`g${g}`, 0.123456]));
  return {
    ...begun,
    phase: "search",
    asked: 10_009 + running.length,
    finished,
    running,
    sensitivity,
    sealedSegments: 624,
  };
}

/** Finished trials since the last segments: those of two batches of events. */
const SINCE_SEGMENT = 20;

describe("state document", () => {
  for (const [parallel, shards] of [
    [64, 1],
    [32, 32],
    [64, 16],
    [256, 1],
    [1_000, 1],
  ] as const)
    test(`stays under 64 KB at 10,000 trials of 200 groups, with ${parallel} trials in ${shards} shard(s)`, () => {
      const state = largeState({ parallel, shards });
      const many = parallel > 64;
      // The configurations of the last batches are not in segments yet.
      const writtenBelow = many ? Math.floor((state.asked - SINCE_SEGMENT) / SEGMENT_SIZE) * SEGMENT_SIZE : 0;
      const document = toStateDocument(encodeSpace(state.request.space), state, writtenBelow);
      const text = JSON.stringify(document);
      assert.ok(text.length < 64_000, `${text.length} bytes`);
      assert.deepEqual(stateDocumentSchema.parse(JSON.parse(text)), document);
    });
});
