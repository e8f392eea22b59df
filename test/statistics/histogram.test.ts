import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Histogram } from "../../shared/statistics/histogram.js";

fc.configureGlobal({ seed: 21, numRuns: 300 });

const MOST_BINS = 4096;

const values = fc
  .array(
    fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 2048, -2048)),
    {
      maxLength: 60,
    },
  )
  .map((list) => Float32Array.from(list));

function histogramOf(...parts: readonly Float32Array[]): Histogram {
  const histogram = new Histogram();
  for (const part of parts) histogram.add(part);
  return histogram;
}

function total({ counts }: { readonly counts: Float64Array }): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

describe("A histogram", () => {
  test("is the same for any order of values and any division into merged parts", () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const [x, y, z] = [histogramOf(a), histogramOf(b), histogramOf(c)];
        const whole = histogramOf(Float32Array.from([...a, ...b, ...c])).content();
        const merges = [
          histogramOf(c, a, b),
          Histogram.merged([x, y, z]),
          Histogram.merged([z, x, y]),
          Histogram.merged([x, Histogram.merged([y, z])]),
          Histogram.merged([Histogram.merged([x, y]), z]),
        ];
        for (const merged of merges) assert.deepEqual(merged.content(), whole);
      }),
    );
  });

  test("counts every value but zero in the bin that contains it, and has a limited number of bins", () => {
    fc.assert(
      fc.property(values, (list) => {
        const { width, lows, counts } = histogramOf(list).occupied();
        assert.ok(lows.length <= MOST_BINS);
        const nonZero = [...list].filter((value) => value !== 0);
        assert.equal(total({ counts }), nonZero.length);
        lows.forEach((low, bin) => {
          const inside = nonZero.filter((value) => low <= value && value < low + width).length;
          assert.equal(counts[bin], inside);
        });
      }),
    );
  });

  test("takes no more than 32 KiB, after any number of values of any size", () => {
    const histogram = new Histogram();
    for (let i = 0; i < 200; i++) {
      histogram.add(Float32Array.from({ length: 1000 }, (_, k) => (k - 500) * 1.1 ** i));
    }
    assert.ok(histogram.content().counts.length <= MOST_BINS);
    assert.equal(total(histogram.content()), 200 * 999);
  });

  test("is the same after a round trip through its stored form", () => {
    fc.assert(
      fc.property(values, (list) => {
        const content = histogramOf(list).content();
        assert.deepEqual(Histogram.of(content).content(), content);
      }),
    );
  });

  test("counts each value with the weight of its channel", () => {
    const histogram = new Histogram();
    histogram.add(Float32Array.of(1, 1.5, 2, 2.5, 1, 1.5), { weights: [3, 0, 10], inner: 2 });
    const { lows, counts } = histogram.occupied();
    assert.deepEqual([...lows], [1, 1.5]);
    assert.deepEqual([...counts], [3 + 10, 3 + 10]);
  });

  test("leaves out values that are not finite", () => {
    const odd = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY);
    assert.deepEqual(histogramOf(odd).content(), histogramOf(Float32Array.of(1)).content());
  });
});
