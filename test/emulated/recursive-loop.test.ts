import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { submit } from "../../scripts/fleet/submission/submit.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { toEvent } from "../functions/lambda-events.js";
import { MAX_INVOCATIONS } from "./aws/invocation-chain.js";
import { LambdaFunction } from "./aws/lambda-function.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { runEnded } from "./observed-run.js";

const TIMEOUT_MILLISECONDS = 120_000;
/** Sequential trials, so that each is caused by the one before. */
const SIZE = { trials: MAX_INVOCATIONS + 4, calibration: 10, evaluation: 64 };

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantfleet-loop-"));
});
after(() => rm(folder, { recursive: true, force: true }));

for (const [recursiveLoop, expected] of [
  ["Terminate", MAX_INVOCATIONS],
  ["Allow", MAX_INVOCATIONS + 4],
] as const) {
  test(`The emulated Lambda invokes a function with RecursiveLoop ${recursiveLoop} ${expected} times in a chain`, async () => {
    const code = join(folder, recursiveLoop);
    // Answers with the header that its own calls would pass on.
    await writeFile(`${code}.js`, "exports.handler = async () => process.env._X_AMZN_TRACE_ID;");
    const target = new LambdaFunction({
      code: folder,
      handler: `${recursiveLoop}.handler`,
      environment: { AWS_LAMBDA_FUNCTION_NAME: "Coordinator" },
      folder,
      timeoutSeconds: 60,
      recursiveLoop,
      onLog: () => undefined,
    });
    let trace: string | undefined;
    let invocations = 0;
    for (; invocations < MAX_INVOCATIONS + 4; invocations++) {
      const message = { id: "1", body: "", receipt: "1", deliveries: 1, sentAt: 0 };
      const answer = await target.invoke(
        toEvent([{ ...message, ...(trace === undefined ? {} : { trace }) }]),
      );
      if (answer === undefined) break;
      trace = String("response" in answer ? answer.response : answer.error);
    }
    target.close();
    assert.equal(invocations, expected);
    assert.equal(target.longestChain, expected);
  });
}

describe("A run whose trials follow from one another", { timeout: TIMEOUT_MILLISECONDS }, () => {
  let fleet: EmulatedFleet;
  before(async () => {
    fleet = await startEmulatedFleet(2);
  });
  after(() => fleet?.close());

  test("is not stopped as a recursive loop, however long its chain of messages", async () => {
    const { coordinator, evaluators } = fleet;
    const configuration = await demoConfiguration(SIZE);
    const runId = await submit(fleet, { configuration }, { runId: "chain", parallel: 1 });
    const over = new AbortController();
    const ended = runEnded(fleet, runId, {}, over.signal);
    const stopped = await Promise.race([ended, coordinator.stopped, evaluators.stopped]);
    over.abort();
    assert.equal(stopped, undefined);
    for (const { longestChain } of [coordinator, evaluators]) assert.ok(longestChain > MAX_INVOCATIONS);
  });
});
