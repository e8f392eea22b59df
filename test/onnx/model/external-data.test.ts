import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TensorProto_DataLocation as DataLocation, StringStringEntryProtoSchema } from "onnx-buf";
import { ModelError } from "../../../shared/basics/errors.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import {
  externalDataFiles,
  externalizeData,
  loadExternalData,
} from "../../../shared/onnx/model/external-data.js";
import { DataType, floatValues, isExternal, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";

const root = await mkdtemp(join(tmpdir(), "quantfleet-external-"));
after(() => rm(root, { recursive: true, force: true }));

/** A model with one initializer "w" of 300 floats, 0 to 299. */
function model(): Model {
  return buildModel((graph) => {
    graph.floats(
      "w",
      [300],
      Array.from({ length: 300 }, (_, i) => i),
    );
    graph.output(graph.node("Add", [graph.input("x", [300]), "w"]));
  });
}

/** The model with its initializer declared as external. */
function pointing(fields: Readonly<Record<string, string>>, dims: readonly bigint[] = [300n]): Model {
  const pointer = model();
  const [tensor] = pointer.graph.initializer;
  tensor!.dims = [...dims];
  tensor!.rawData = new Uint8Array(0);
  tensor!.dataLocation = DataLocation.EXTERNAL;
  tensor!.externalData = Object.entries(fields).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  return pointer;
}

async function folderWith(name: string, content: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(root, "model-"));
  await writeFile(join(folder, name), content);
  return folder;
}

function refusal(expected: RegExp | string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof ModelError);
    if (typeof expected === "string") assert.equal(error.message, expected);
    else assert.match(error.message, expected);
    return true;
  };
}

describe("external data", () => {
  test("are written and read back", async () => {
    const written = model();
    written.graph.initializer.unshift(makeTensor("odd", DataType.INT8, [1027], new Int8Array(1027).fill(3)));
    const pieces = externalizeData(written, "weights.bin");
    const folder = await folderWith("weights.bin", Buffer.concat(pieces));
    for (const tensor of written.graph.initializer) {
      assert.ok(isExternal(tensor));
      assert.equal(tensor.rawData.byteLength, 0);
      const offset = Number(tensor.externalData.find(({ key }) => key === "offset")!.value);
      assert.equal(offset % 64, 0);
    }
    const contents = await loadExternalData(written, folder);
    assert.deepEqual(
      contents.map(({ byteLength }) => byteLength),
      [1027, 1200],
    );
    const [odd, w] = written.graph.initializer;
    assert.deepEqual(new Int8Array(odd!.rawData), new Int8Array(1027).fill(3));
    assert.deepEqual(floatValues(w!), floatValues(model().graph.initializer[0]!));
    assert.ok(!isExternal(w!));
    assert.deepEqual(w!.externalData, []);
  });

  test("small tensors stay in the message", () => {
    const small = buildModel((graph) =>
      graph.output(graph.floats("w", [255], new Array<number>(255).fill(1))),
    );
    assert.deepEqual(externalizeData(small, "weights.bin"), []);
    assert.ok(!isExternal(small.graph.initializer[0]!));
  });

  test("a model without external data needs no file", async () => {
    assert.deepEqual(await loadExternalData(model(), join(root, "nowhere")), []);
  });

  test("are read from a subfolder, from an offset, and with the length omitted", async () => {
    const folder = await mkdtemp(join(root, "model-"));
    await mkdir(join(folder, "data"));
    const content = Float32Array.from({ length: 310 }, (_, i) => i - 10);
    await writeFile(join(folder, "data", "w"), new Uint8Array(content.buffer));
    const loaded = pointing({ location: "data/w", offset: "40" });
    assert.ok((await loadExternalData(loaded, folder)).length > 0);
    assert.deepEqual(floatValues(loaded.graph.initializer[0]!), content.subarray(10));
  });

  test("are read for constants in nodes and in nested graphs", async () => {
    const folder = await folderWith(
      "w",
      new Uint8Array(Float32Array.from({ length: 300 }, (_, i) => i).buffer),
    );
    const [tensor] = pointing({ location: "w" }).graph.initializer;
    const body = new GraphBuilder("body");
    body.initializer({ ...tensor!, name: "inner" });
    const outer = buildModel((graph) => {
      graph.node("Constant", [], { value: { tensor: tensor! } });
      graph.node("If", ["c"], {
        then_branch: { graph: body.graph },
        else_branch: { graph: new GraphBuilder("other").graph },
      });
    });
    assert.ok((await loadExternalData(outer, folder)).length > 0);
    assert.equal(floatValues(outer.graph.node[0]!.attribute[0]!.t!).length, 300);
    assert.equal(floatValues(body.graph.initializer[0]!).length, 300);
  });

  test("outside the model's folder are refused", async () => {
    for (const path of ["../w", "/etc/passwd", "data/../../w", "", "..", "./../w"]) {
      await assert.rejects(
        loadExternalData(pointing({ location: path }), root),
        refusal(
          `Initializer "w" keeps its data in "${path}", outside the model's folder; move the file beside the model.`,
        ),
      );
    }
    await assert.rejects(loadExternalData(pointing({}), root), refusal(/keeps its data in "", outside/));
  });

  test("behind symbolic links that lead out of the model's folder are refused", async () => {
    const outside = await folderWith("secret", new Uint8Array(1200));
    const folder = await folderWith("w", new Uint8Array(1200));
    await symlink(join(outside, "secret"), join(folder, "link"));
    await symlink(outside, join(folder, "linked"));
    await symlink("w", join(folder, "near"));
    for (const location of ["link", "linked/secret"]) {
      const expected = `Initializer "w" keeps its data in "${location}", a link to ${join(outside, "secret")} outside the model's folder; copy the file beside the model.`;
      await assert.rejects(loadExternalData(pointing({ location }), folder), refusal(expected));
      await assert.rejects(externalDataFiles(pointing({ location }), folder), refusal(expected));
    }
    assert.ok((await loadExternalData(pointing({ location: "near" }), folder)).length > 0);
    // The path of the model's folder may itself contain a link.
    await symlink(folder, join(outside, "model"));
    assert.ok((await loadExternalData(pointing({ location: "w" }), join(outside, "model"))).length > 0);
  });

  test("a file whose name begins with dots is inside", async () => {
    const folder = await folderWith("..w", new Uint8Array(1200));
    assert.ok((await loadExternalData(pointing({ location: "..w" }), folder)).length > 0);
  });

  test("that are missing, a folder or a pipe are refused", async () => {
    const folder = await mkdtemp(join(root, "model-"));
    await mkdir(join(folder, "folder"));
    const names = ["missing", "folder"];
    if (process.platform !== "win32") {
      execFileSync("mkfifo", [join(folder, "pipe")]);
      names.push("pipe");
    }
    for (const name of names) {
      await assert.rejects(
        loadExternalData(pointing({ location: name }), folder),
        refusal(
          `The external data "${join(folder, name)}" of initializer "w" cannot be read; copy it beside the model.`,
        ),
      );
    }
  });

  test("that are too short are refused", async () => {
    const folder = await folderWith("w", new Uint8Array(1000));
    await assert.rejects(
      loadExternalData(pointing({ location: "w" }), folder),
      refusal(
        `The external data "${join(folder, "w")}" has 1000 bytes where initializer "w" needs 1200; copy the whole file beside the model.`,
      ),
    );
    await assert.rejects(
      loadExternalData(pointing({ location: "w", offset: "900000" }), folder),
      refusal(/has 1000 bytes where initializer "w" needs 901200/),
    );
  });

  test("with an invalid offset or length are refused before memory is allocated", async () => {
    const folder = await folderWith("w", new Uint8Array(1200));
    const places: Record<string, string>[] = [
      { offset: "-4" },
      { offset: "x" },
      { length: "1199" },
      { length: "-1" },
    ];
    for (const fields of places) {
      await assert.rejects(
        loadExternalData(pointing({ location: "w", ...fields }), folder),
        refusal(
          /^Initializer "w" says that its data are .* where its shape needs 1200 bytes; export the model again\.$/,
        ),
      );
    }
    await assert.rejects(
      loadExternalData(pointing({ location: "w" }, [-300n]), folder),
      refusal(/says that its data are -1200 bytes at 0 of "w"/),
    );
    await assert.rejects(
      loadExternalData(pointing({ location: "w" }, [2n ** 40n]), folder),
      refusal(
        "The model's external data is more than 2147483647 bytes, which is all that can be folded at once; split the model.",
      ),
    );
  });
});
