import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DataSection } from "../../shared/configuration/engine-schema.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { temporaryFolder } from "./temporary-folder.js";
import { npyBytes } from "./write-npy.js";

const folder = await temporaryFolder();
const pixels = Uint8Array.from({ length: 5 * 2 * 3 }, (_, index) => index);
await folder.write("x.npy", npyBytes({ descr: "|u1", shape: [5, 2, 3], data: pixels }));
await folder.write(
  "ids.npy",
  npyBytes({ descr: "<i4", shape: [5, 2], data: Int32Array.from({ length: 10 }, (_, i) => i) }),
);
await folder.write(
  "y.npy",
  npyBytes({ descr: "<i8", shape: [5], data: BigInt64Array.of(4n, 3n, 2n, 1n, 0n) }),
);
await folder.write("y.txt", "a\nb c\r\n\nd\ne\n");

const INPUTS = [
  { name: "x", type: "float32", shape: ["N", 2, "width"] },
  { name: "ids", type: "int64", shape: ["N", 2] },
];
const SECTION: DataSection = {
  inputs: {
    x: { data: "x.npy", rows: [1, 5], scale: 2, mean: [1, 0], std: [1, 2] },
    ids: { data: "ids.npy", rows: [1, 5], scale: 1 },
  },
  labels: { data: "y.npy", rows: [1, 5] },
};

function load(section: DataSection, cacheBytes?: number) {
  const options = { directory: folder.path, inputs: INPUTS, path: "engine.evaluation" };
  return loadDataset(section, cacheBytes === undefined ? options : { ...options, cacheBytes });
}

/** Expected values of one sample of x after the section's preprocessing. */
function expectedX(sample: number): number[] {
  return Array.from({ length: 6 }, (_, index) => {
    const value = pixels[(sample + 1) * 6 + index]! * 2;
    return index < 3 ? value - 1 : value / 2;
  });
}

describe("A dataset", () => {
  for (const cacheBytes of [undefined, 0]) {
    const mode = cacheBytes === 0 ? "converted for every batch" : "converted once";
    test(`returns the same samples by range and by index, ${mode}`, async () => {
      const dataset = await load(SECTION, cacheBytes);
      assert.equal(dataset.samples, 4);
      const range = await dataset.batch({ from: 1, to: 3 });
      assert.deepEqual(range.x, {
        type: "float32",
        dims: [2, 2, 3],
        data: Float32Array.from([...expectedX(1), ...expectedX(2)]),
      });
      assert.deepEqual(range.ids, { type: "int64", dims: [2, 2], data: BigInt64Array.of(4n, 5n, 6n, 7n) });
      assert.deepEqual(await dataset.batch([1, 2]), range);
      const picked = await dataset.batch([3, 0]);
      assert.deepEqual(picked.x?.data, Float32Array.from([...expectedX(3), ...expectedX(0)]));
      assert.deepEqual(picked.ids?.data, BigInt64Array.of(8n, 9n, 2n, 3n));
      assert.deepEqual(picked.ids?.dims, [2, 2]);
    });
  }

  test("returns consecutive samples as a view of memory", async () => {
    const dataset = await load(SECTION);
    const first = await dataset.batch({ from: 0, to: 2 });
    const second = await dataset.batch({ from: 2, to: 4 });
    assert.equal(first.x?.data.buffer, second.x?.data.buffer);
  });

  test("returns labels in the order of the samples", async () => {
    const dataset = await load(SECTION);
    const expected = { kind: "numbers", shape: [2], integers: true };
    assert.deepEqual(dataset.labels({ from: 0, to: 2 }), { ...expected, data: Float64Array.of(3, 2) });
    assert.deepEqual(dataset.labels([3, 1]), { ...expected, data: Float64Array.of(0, 2) });
  });

  test("reads lines of text, including empty ones", async () => {
    const dataset = await load({ ...SECTION, labels: { data: "y.txt", rows: [1, 5] } });
    assert.deepEqual(dataset.labels({ from: 0, to: 4 }), { kind: "lines", lines: ["b c", "", "d", "e"] });
    assert.deepEqual(dataset.labels([2]), { kind: "lines", lines: ["d"] });
  });

  test("without labels has none", async () => {
    const dataset = await load({ inputs: SECTION.inputs });
    assert.equal(dataset.labels({ from: 0, to: 1 }), undefined);
  });
});

describe("The content hash", () => {
  test("is the same for the same samples", async () => {
    assert.equal((await load(SECTION)).contentHash, (await load(SECTION, 0)).contentHash);
  });

  const others: readonly (readonly [string, DataSection])[] = [
    [
      "other rows",
      {
        ...SECTION,
        inputs: {
          ...SECTION.inputs,
          x: { data: "x.npy", rows: [0, 4], scale: 2, mean: [1, 0], std: [1, 2] },
        },
      },
    ],
    [
      "another scale",
      {
        ...SECTION,
        inputs: {
          ...SECTION.inputs,
          x: { data: "x.npy", rows: [1, 5], scale: 3, mean: [1, 0], std: [1, 2] },
        },
      },
    ],
    ["other labels", { ...SECTION, labels: { data: "y.npy", rows: [0, 4] } }],
    ["no labels", { inputs: SECTION.inputs }],
  ];
  for (const [title, section] of others) {
    test(`differs for ${title}`, async () => {
      assert.notEqual((await load(section)).contentHash, (await load(SECTION)).contentHash);
    });
  }
});
