import assert from "node:assert/strict";
import { test } from "node:test";
import { trialsPicture } from "../../../../scripts/tools/documentation/trials-picture.js";

test("the picture of a run marks float, preset and best, and shows stopped trials hollow", () => {
  const trial = (number: number, metric: number | null, bytes: number | null, state = "complete") => ({
    number,
    state,
    metric,
    bytes,
  });
  const picture = trialsPicture(
    [
      trial(0, 0.9, 4000),
      trial(1, 0.5, 1000),
      trial(2, 0.8, 2000, "pruned"),
      trial(3, 0.89, 2500),
      trial(4, null, null, "failed"),
    ],
    { processor: "CPU_VNNI", base: { bytes: 1100 }, best: { trial: 3, bytes: 2600 }, trials: { asked: 4 } },
  );
  for (const mark of ["float 0.900, 4.0 kB", "preset 0.500, 1.1 kB", "best 0.890, 2.6 kB"])
    assert.ok(picture.includes(mark), mark);
  assert.equal([...picture.matchAll(/<circle /g)].length, 4);
  assert.equal([...picture.matchAll(/<circle [^>]*fill="none"/g)].length, 1);
  const across = (mark: string): number =>
    Number(new RegExp(`<text x="([\\d.]+)"[^>]*>${mark} `).exec(picture)?.[1]);
  assert.ok(across("preset") < across("float"), "smaller files are further left");
});
