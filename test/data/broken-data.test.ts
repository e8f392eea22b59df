import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { DataSection } from "../../shared/configuration/engine-schema.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import type { ModelPort } from "../../shared/runtime/tensor.js";
import { BROKEN_FILES, BROKEN_SECTIONS, VECTOR_INPUT } from "../fixtures/broken/data-cases.js";
import { DATA_FILES } from "../fixtures/broken/data-files.js";
import { temporaryFolder } from "./temporary-folder.js";
import { npyBytes } from "./write-npy.js";

const folder = await temporaryFolder();
for (const [name, content] of Object.entries(DATA_FILES)) await folder.write(name, content);

async function assertRefused(
  section: DataSection,
  inputs: readonly ModelPort[],
  message: string,
): Promise<void> {
  const loading = loadDataset(section, { directory: folder.path, inputs, path: "engine.evaluation" });
  await assert.rejects(loading, { name: "DataError", code: "DATA", message });
}

describe("An array file is refused", () => {
  for (const [title, data, says] of BROKEN_FILES) {
    test(title, () =>
      assertRefused(
        { inputs: { x: { data, scale: 1 } } },
        VECTOR_INPUT,
        `engine.evaluation.inputs.x (${data}) ${says}`,
      ),
    );
  }

  test("more rows than the memory limit, before memory is allocated", async () => {
    const rows = 5 * 2 ** 30;
    const header = npyBytes({ descr: "|u1", shape: [rows, 1], data: new Uint8Array(0) });
    await folder.write("five-gigabytes.npy", header);
    await truncate(join(folder.path, "five-gigabytes.npy"), header.length + rows);
    const section = { inputs: { x: { data: "five-gigabytes.npy", scale: 1 } } };
    const inputs = [{ name: "x", type: "float32", shape: ["N", 1] }];
    await assertRefused(
      section,
      inputs,
      "engine.evaluation.inputs.x (five-gigabytes.npy) asks for 5368709120 rows of 1 bytes, but at most 4294967296 bytes are held in memory; choose fewer with rows.",
    );
    const few = {
      inputs: { x: { data: "five-gigabytes.npy", scale: 1, rows: [rows - 2, rows] as [number, number] } },
    };
    const dataset = await loadDataset(few, { directory: folder.path, inputs, path: "engine.evaluation" });
    assert.equal(dataset.samples, 2);
  });
});

describe("A section is refused", () => {
  test("but not the valid one", async () => {
    const section = { inputs: { x: { data: "x.npz#x", scale: 1 } }, labels: { data: "y.npy" } };
    const dataset = await loadDataset(section, {
      directory: folder.path,
      inputs: VECTOR_INPUT,
      path: "engine.evaluation",
    });
    assert.equal(dataset.samples, 4);
  });
  for (const { title, section, inputs = VECTOR_INPUT, message } of BROKEN_SECTIONS) {
    test(title, () => assertRefused(section, inputs, message));
  }
});
