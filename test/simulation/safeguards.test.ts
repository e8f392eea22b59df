import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Defect } from "./defects.js";

const SIMULATE = fileURLToPath(new URL("../../scripts/tools/simulation/simulate.js", import.meta.url));
/** Number of seeds within which each defect is noticed. */
const SEEDS = 300;

/** What the simulation reports for each defect. */
const REPORTS: Readonly<Record<Defect, RegExp>> = {
  budget: /was asked for although/,
  "half-over-budget": /was asked for although/,
  "tenth-under-budget": /no further trial was asked for although/,
  "reports-are-charged": /was charged, where \S+ was billed/,
  "budget-counts-running-jobs": /was asked for although/,
  "unanswered-jobs-are-charged": /was charged, where \S+ was billed/,
  "jobs-are-marked-after-sending": /was saved, and never sent/,
  "queue-timestamps": /the run began -?\d+ ms after it was asked for/,
  "asks-see-earlier-trials-only": /the faultless run .* differs/,
  "asks-know-running-trials": /two trials have the same configuration/,
  "loaded-trials-are-proposed": /was acknowledged and is not in the state/,
  "second-attempts": /failed after one attempt/,
  "repeated-failures-count-once": /failed after one attempt/,
  "compare-and-swap":
    /was charged|was replaced or moved|is not in the state|ended or run|is evaluated again|not what its/,
  "stateful-sampler":
    /was sent with two configurations|the faultless run .* differs|is not what its events come to/,
  "workers-stop-without-lease": /was worked on for \d+ ms after another worker had claimed it/,
  "workers-report-with-claim-only": /whose answer does not lie in the claim/,
  "job-deadlines": /which was overdue/,
  "ended-runs-are-unlisted": /the Tick is on although no run is/,
  "failed-events-are-redelivered":
    /the run has not ended|the Tick is on|was reported before|is not in the state/,
  "unreadable-jobs-are-kept": /was neither refused nor carried/,
  claims: /is evaluated again/,
};

async function runSimulation(...args: readonly string[]) {
  const child = spawn(process.execPath, [SIMULATE, ...args]);
  const ended = new Promise<number | null>((resolve) => void child.on("close", resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

describe("the simulation notices the defect", () => {
  for (const [defect, report] of Object.entries(REPORTS))
    test(`${defect}, and again with the seed that it prints`, async () => {
      const { code, err } = await runSimulation("--defect", defect, "--seeds", String(SEEDS));
      assert.match(err, report);
      assert.equal(code, 1);
      const [, seed] = /^seed (\d+) broke an invariant/m.exec(err) ?? [];
      assert.ok(seed, err);
      const again = await runSimulation("--defect", defect, "--seeds", "1", "--from", seed);
      assert.deepEqual(again, { code: 1, out: "", err });
    });
});
