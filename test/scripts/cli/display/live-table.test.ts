import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { liveTable } from "../../../../scripts/cli/display/live-table.js";
import type { RunView, TrialView } from "../../../../scripts/fleet/following/run-view.js";

const scored: TrialView = {
  number: 7,
  outcome: "complete",
  samples: 200,
  metric: 0.91234,
  sizeShare: 0.262,
  latencyRatio: 1.418,
  accuracyLoss: 0.456,
  withinBound: true,
  worker: "2026/11/01/[42]0123456789abcdef0123456789abcdef",
};
const stopped: TrialView = {
  ...scored,
  number: 9,
  outcome: "pruned",
  samples: 40,
  accuracyLoss: 3,
  withinBound: false,
};
const failed: TrialView = {
  number: 8,
  outcome: "failed",
  samples: 0,
  reason: "no memory\n\u001b[31m\rred",
};

const view: RunView = {
  progress: { phase: "search", trialsDone: 26, trialsAsked: 30, trialsAtMost: 51, secondsElapsed: 60 },
  metric: "accuracy",
  samples: 200,
  running: 4,
  isa: "x64-avx512-vnni",
  best: scored,
  latest: [stopped, failed, scored],
};
const wide = { columns: 200, rows: 40 };

const cells = (line: string | undefined): string[] =>
  (line ?? "")
    .split("│")
    .slice(1, -1)
    .map((cell) => cell.trim());

describe("the table of a run that is watched", () => {
  const [bar, runningLine, , head, ...rows] = liveTable(view, wide);

  test("begins with a progress bar", () => {
    assert.equal(bar, `${"█".repeat(12)}${"░".repeat(12)} 25/50 trials`);
    assert.equal(runningLine, "4 trials in progress, on x64-avx512-vnni");
  });

  test("has room for the time left and the cost at 80 columns", () => {
    const measurement = {
      metric: 0.9,
      samples: 200,
      bytes: 1,
      quantizedShare: { byCount: 1, byParameters: 1 },
    };
    const progress = {
      ...view.progress,
      best: { trial: 7, measurement },
      secondsLeft: 200,
      cost: { usd: 1.5, maxUsd: 2 },
    };
    const [line] = liveTable({ ...view, progress }, { columns: 80, rows: 24 });
    assert.match(line ?? "", / 25\/50 trials · 3 min 20 s left · \$1\.50 of \$2\.00$/);
  });

  test("has the best trial on top, followed by the latest finished trials", () => {
    assert.deepEqual(cells(head)[1], "accuracy");
    assert.deepEqual(
      rows.slice(0, -1).map((row) => cells(row)[0]),
      ["best: 7", "9", "8", "7"],
    );
    assert.deepEqual(cells(rows[0]), [
      "best: 7",
      "0.9123",
      "0.46 %",
      "26 %",
      "1.42 ×",
      "yes",
      "complete",
      "0123456789a…",
    ]);
  });

  test("shows why a trial was stopped or failed, and removes control characters from workers' texts", () => {
    assert.equal(cells(rows[1])[6], "stopped after 40 of 200 samples");
    assert.equal(cells(rows[1])[5], "no");
    assert.deepEqual(cells(rows[2]), ["8", "–", "–", "–", "–", "–", "failed: no memory red", "–"]);
  });

  test("fits into the terminal, and keeps the bar and the best trial longest", () => {
    for (const frame of [{ columns: 40, rows: 6 }, { columns: 1, rows: 2 }, wide]) {
      const lines = liveTable(view, frame);
      assert.ok(lines.length < frame.rows);
      for (const line of lines) assert.ok([...line].length <= frame.columns);
    }
    assert.match(liveTable(view, { columns: 80, rows: 6 }).at(-1) ?? "", /best: 7/);
  });

  test("is only a bar while no trial has ended", () => {
    const { isa: _, best: __, ...rest } = view;
    const progress = { ...view.progress, phase: "statistics", trialsDone: 0 } as const;
    assert.deepEqual(liveTable({ ...rest, progress, latest: [], running: 1 }, wide), [
      `${"░".repeat(24)} 0/50 gathering statistics`,
      "1 trial in progress",
    ]);
  });
});
