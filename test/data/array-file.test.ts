import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { zipSync } from "fflate";
import { dump } from "npyjs";
import { readArray } from "../../shared/data/array-file.js";
import { temporaryFolder } from "./temporary-folder.js";
import { npyBytes } from "./write-npy.js";

fc.configureGlobal({ seed: 37 });

const folder = await temporaryFolder();

async function read(name: string, content: Uint8Array, rows?: readonly [number, number]) {
  await folder.write(name, content);
  return readArray({ file: join(folder.path, name), rows, name });
}

describe("Arrays are read as numpy writes them", () => {
  for (const version of [1, 2, 3] as const) {
    test(`format version ${version}`, async () => {
      const data = Float32Array.of(1, 2, 3, 4, 5, 6);
      const array = await read("x.npy", npyBytes({ descr: "<f4", shape: [3, 2], data, version }));
      assert.deepEqual([array.type, array.shape, array.data], ["float32", [3, 2], data]);
    });
  }

  const types = [
    ["|b1", "bool", Uint8Array.of(0, 1)],
    ["|u1", "uint8", Uint8Array.of(0, 255)],
    ["|i1", "int8", Int8Array.of(-128, 127)],
    ["<u2", "uint16", Uint16Array.of(0, 65535)],
    ["<i2", "int16", Int16Array.of(-32768, 1)],
    ["<u4", "uint32", Uint32Array.of(0, 4294967295)],
    ["<i4", "int32", Int32Array.of(-1, 7)],
    ["<u8", "uint64", BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ["<i8", "int64", BigInt64Array.of(-(2n ** 63n), 5n)],
    ["<f2", "float16", Uint16Array.of(0x3c00, 0xc000)],
    ["<f8", "float64", Float64Array.of(0.1, -1e300)],
  ] as const;
  for (const [descr, type, data] of types) {
    test(descr, async () => {
      const array = await read("x.npy", npyBytes({ descr, shape: [2], data }));
      assert.deepEqual([array.type, array.shape, array.data], [type, [2], data]);
    });
  }

  test("an array in Fortran order with one axis is the same in both orders", async () => {
    const array = await read(
      "x.npy",
      npyBytes({ descr: "|u1", shape: [2], data: Uint8Array.of(3, 4), fortranOrder: true }),
    );
    assert.deepEqual(array.data, Uint8Array.of(3, 4));
  });

  test("a row range, from a file and from an archive", async () => {
    const data = Int32Array.from({ length: 20 }, (_, index) => index);
    const npy = npyBytes({ descr: "<i4", shape: [5, 4], data });
    const ranged = await read("x.npy", npy, [1, 3]);
    assert.deepEqual([ranged.shape, ranged.data], [[2, 4], data.slice(4, 12)]);
    await folder.write(
      "many.npz",
      zipSync({ "a.npy": npyBytes({ descr: "|u1", shape: [1], data: Uint8Array.of(9) }), "b.npy": npy }),
    );
    const archived = await readArray({
      file: join(folder.path, "many.npz#b"),
      rows: [1, 3],
      name: "many.npz#b",
    });
    assert.deepEqual([archived.shape, archived.data], [[2, 4], data.slice(4, 12)]);
    assert.equal(archived.sha256, ranged.sha256);
  });

  test("arrays of another writer of the format, with any values and row range", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 6, maxLength: 6 }),
        fc.integer({ min: 0, max: 2 }),
        async (data, first) => {
          const array = await read("x.npy", new Uint8Array(dump(data, [3, 2])), [first, 3]);
          assert.deepEqual([array.shape, array.data], [[3 - first, 2], data.slice(2 * first)]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
