import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { requestMessage } from "../../../../scripts/fleet/submission/request-message.js";
import { UsageError } from "../../../../shared/basics/errors.js";
import { runRequestedSchema } from "../../../../shared/run/protocol/messages.js";
import { toyRequest } from "../../../run/toy-study.js";

describe("The message that requests a run", () => {
  test("is accepted by the coordinator's schema", () => {
    const request = toyRequest({ groups: 200 });
    const message = requestMessage(request);
    assert.deepEqual(
      runRequestedSchema.parse(JSON.parse(JSON.stringify(message))).request.space,
      request.space,
    );
  });

  test("is refused with a remedy when it exceeds the queue's limit", () => {
    const request = toyRequest({ groups: 6_000 });
    const expected = new RegExp(`has ${request.space.length} parameters.*narrower tuning_scope\\.$`);
    assert.throws(
      () => requestMessage(request),
      (error) => error instanceof UsageError && expected.test(error.message),
    );
  });
});
