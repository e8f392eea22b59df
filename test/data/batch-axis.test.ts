import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { InputSource } from "../../shared/configuration/engine-schema.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { moveAxis } from "../../shared/data/move-axis.js";
import type { ModelPort } from "../../shared/runtime/tensor.js";
import { temporaryFolder } from "./temporary-folder.js";
import { npyBytes } from "./write-npy.js";

const folder = await temporaryFolder();
const counted = (length: number) => Float32Array.from({ length }, (_, index) => index);
const write = (name: string, shape: readonly number[]) => {
  const data = counted(shape.reduce((product, axis) => product * axis, 1));
  return folder.write(name, npyBytes({ descr: "<f4", shape, data }));
};
await write("x.npy", [3, 2]);
await write("state.npy", [3, 2, 2]);
await write("kept.npy", [3, 2, 1, 2]);
await write("nhwc.npy", [3, 4, 5, 2]);
await write("nchw.npy", [3, 2, 4, 5]);

const X: ModelPort = { name: "x", type: "float32", shape: ["N", 2] };
const STATE: ModelPort = { name: "state", type: "float32", shape: [2, "N", 2] };

function load(inputs: Readonly<Record<string, InputSource>>, ports: readonly ModelPort[]) {
  return loadDataset(
    { inputs: { ...inputs } },
    { directory: folder.path, inputs: ports, path: "engine.evaluation" },
  );
}

const refused = (inputs: Readonly<Record<string, InputSource>>, ports: readonly ModelPort[], says: RegExp) =>
  assert.rejects(load(inputs, ports), { code: "DATA", message: says });

describe("Samples along another axis", () => {
  for (const data of ["state.npy", "kept.npy"]) {
    test(`are stacked there, from ${data}`, async () => {
      const dataset = await load(
        { x: { data: "x.npy", scale: 1 }, state: { data, scale: 1, batch_axis: 1 } },
        [X, STATE],
      );
      const { state } = await dataset.batch([0, 2]);
      assert.deepEqual(state, {
        type: "float32",
        dims: [2, 2, 2],
        // Sample 0 is [[0, 1], [2, 3]] and sample 2 [[8, 9], [10, 11]].
        data: Float32Array.of(0, 1, 8, 9, 2, 3, 10, 11),
      });
      assert.equal(dataset.fixedBatch, undefined);
    });
  }

  test("give the fixed batch, and are refused when inputs fix different ones", async () => {
    const fixed = [
      { ...X, shape: [1, 2] },
      { ...STATE, shape: [2, 1, 2] },
    ];
    const x = { data: "x.npy", scale: 1 };
    const dataset = await load({ x, state: { data: "kept.npy", scale: 1, batch_axis: 1 } }, fixed);
    assert.equal(dataset.fixedBatch, 1);
    await refused(
      { x, state: { data: "state.npy", scale: 1, batch_axis: 0 } },
      [
        { ...X, shape: [1, 2] },
        { ...STATE, shape: [2, 2, 2] },
      ],
      /takes 2.*takes 1.*as batch_axis/s,
    );
  });

  test("are asked for where the model's shapes require them", async () => {
    const x = { data: "x.npy", scale: 1 };
    await refused({ x, state: { data: "kept.npy", scale: 1 } }, [X, STATE], /"batch_axis": 1/);
    await refused({ x, state: { data: "state.npy", scale: 1 } }, [X, STATE], /"batch_axis": 1/);
    await refused(
      { x, state: { data: "state.npy", scale: 1, batch_axis: 3 } },
      [X, STATE],
      /batch_axis is 3.*give 0 to 2/,
    );
  });

  test("are part of the content hash", async () => {
    const square: ModelPort = { name: "state", type: "float32", shape: ["A", "B", 2] };
    const of = async (batch_axis?: number) =>
      (await load({ state: { data: "state.npy", scale: 1, batch_axis } }, [square])).contentHash;
    assert.notEqual(await of(1), await of());
    assert.equal(await of(0), await of());
  });
});

describe("A value for all samples", () => {
  const x = { data: "x.npy", scale: 1 };
  const value = async (source: InputSource, type: string, shape: ModelPort["shape"]) =>
    (await (await load({ x, v: source }, [X, { name: "v", type, shape }])).batch([0, 1])).v;

  test("may be a scalar, fills fixed axes, and is repeated along a dynamic sample axis", async () => {
    assert.deepEqual(await value({ value: 16000 }, "int64", []), {
      type: "int64",
      dims: [],
      data: BigInt64Array.of(16000n),
    });
    assert.deepEqual(await value({ value: 0.5 }, "float32", [1, 2]), {
      type: "float32",
      dims: [1, 2],
      data: Float32Array.of(0.5, 0.5),
    });
    assert.deepEqual(await value({ value: [1, 2] }, "float32", ["N", 2]), {
      type: "float32",
      dims: [2, 2],
      data: Float32Array.of(1, 2, 1, 2),
    });
    assert.deepEqual(await value({ value: [1, 2], batch_axis: 1 }, "float32", [2, "N"]), {
      type: "float32",
      dims: [2, 2],
      data: Float32Array.of(1, 1, 2, 2),
    });
    assert.deepEqual((await value({ value: 0, batch_axis: 1 }, "float32", [2, "N", 3]))?.dims, [2, 2, 3]);
    assert.deepEqual(await value({ value: true }, "bool", [1]), {
      type: "bool",
      dims: [1],
      data: Uint8Array.of(1),
    });
  });

  test("is refused where it does not fit, or no input has samples", async () => {
    const port = (type: string, shape: ModelPort["shape"]) => [X, { name: "v", type, shape }];
    await refused({ x, v: { value: 300 } }, port("uint8", []), /inputs\.v\.value.*300/);
    await refused({ x, v: { value: [1, 2, 3] } }, port("float32", [2]), /3 numbers.*give 1 or 2/);
    await refused({ x, v: { value: 1 } }, port("float32", [2, "N", 3]), /"batch_axis": 1/);
    await refused({ x, v: { value: 1 } }, port("float32", ["N", "L"]), /give an array|"batch_axis"/);
    await refused({ x, v: { value: 0.5 } }, port("int64", []), /is 0\.5, but the model takes int64/);
    await refused({ x: { value: 1 } }, [X], /count no samples.*give an array/);
  });

  test("is part of the content hash", async () => {
    const port: ModelPort = { name: "v", type: "float32", shape: [] };
    const of = async (number: number) => (await load({ x, v: { value: number } }, [X, port])).contentHash;
    assert.notEqual(await of(1), await of(2));
  });
});

describe("An array with axes in another order", () => {
  const image = (shape: ModelPort["shape"]) => [{ name: "x", type: "float32", shape }];

  test("is refused with the advice to transpose, not reshape", async () => {
    await refused(
      { x: { data: "nhwc.npy", scale: 1 } },
      image(["N", 2, 4, 5]),
      /transpose with \(0, 3, 1, 2\)(?!.*reshape)/,
    );
    await refused(
      { x: { data: "nchw.npy", scale: 1 } },
      image(["N", 4, 5, 2]),
      /transpose with \(0, 2, 3, 1\)(?!.*reshape)/,
    );
  });

  test("moveAxis equals numpy's", () => {
    const cube = { type: "float32", dims: [2, 3, 2], data: counted(12) } as const;
    const moved = moveAxis(cube, 0, 2);
    assert.deepEqual(moved.dims, [3, 2, 2]);
    assert.deepEqual([...moved.data].map(Number), [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
    assert.deepEqual(moveAxis(moved, 2, 0), { ...cube, dims: [...cube.dims] });
    assert.deepEqual(moveAxis(moveAxis(cube, 1, 0), 0, 1), { ...cube, dims: [...cube.dims] });
  });
});

describe("Samples in messages", () => {
  test("are named by file and its rows", async () => {
    const dataset = await load({ x: { data: "x.npy", scale: 1, rows: [1, 3] } }, [X]);
    assert.equal(dataset.locate([1]), "engine.evaluation.inputs.x (x.npy), row 2");
    assert.equal(dataset.locate([0, 1]), "engine.evaluation.inputs.x (x.npy), rows 1 to 2");
  });
});
