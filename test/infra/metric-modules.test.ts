import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { placeMetricModules } from "../../infra/metric-modules.js";
import { ConfigurationError } from "../../shared/basics/errors.js";
import { openStudy } from "../../shared/evaluation/workload/workload-study.js";
import { createMetric } from "../../shared/metrics/create-metric.js";
import type { ModelOutputs } from "../../shared/metrics/metric.js";
import { bundleModule, localCopy, moduleReferenceOf } from "../../shared/metrics/module-bundle.js";
import { deployedModules, listOfModules, requireListed } from "../../shared/metrics/module-location.js";
import { writeWorkloadDocument } from "../../shared/run/store/workload-document.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-modules-"));
after(() => rm(folder, { recursive: true, force: true }));
const own = join(folder, "own");
const deployed = join(folder, "deployed");
await mkdir(own);
await mkdir(deployed);
const file = join(own, "within.js");
await writeFile(join(own, "distance.js"), "export const distance = (a, b) => Math.abs(a - b);");
await writeFile(
  file,
  `import { distance } from "./distance.js";
   export const range = [0, 1];
   export function score({ outputs, labels }) {
     return Array.from(labels.data, (label, i) => (distance(outputs.y.data[i], label) <= 2 ? 1 : 0));
   }`,
);
placeMetricModules([bundleModule(file)], deployed);

const outputs = [{ name: "y", type: "float32", shape: ["N", 1] }] as const;
const made: ModelOutputs = { y: { type: "float32", dims: [3, 1], data: Float32Array.of(1, 5, 9) } };
const labels = { kind: "numbers", shape: [3], data: Int32Array.of(2, 9, 8), integers: true } as const;

describe("A metric module on a fleet", () => {
  test("is bundled with its imports, and scores as locally", async () => {
    const options = { directory: own, outputs, labelled: true };
    const here = await createMetric({ module: "within.js" }, options);
    const there = await createMetric(
      { module: moduleReferenceOf(file) },
      { ...options, directory: join(folder, "elsewhere"), locateModule: deployedModules(deployed) },
    );
    const rows = [here, there].map((metric) => metric.score(made, { kind: "labels", labels }));
    assert.deepEqual(rows, [Float32Array.of(1, 0, 1), Float32Array.of(1, 0, 1)]);
    assert.deepEqual(
      [there.name, there.range, there.perSampleMean],
      [here.name, here.range, here.perSampleMean],
    );
  });

  test("is refused if it was not deployed, as is every other path", () => {
    const locate = deployedModules(deployed);
    const other = `metrics/${"0".repeat(64)}/within.js`;
    for (const module of [other, file, "within.js", "../own/within.js", `${moduleReferenceOf(file)}/../x.js`])
      assert.throws(
        () => locate(module),
        (error: Error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, /is not deployed with this fleet; add the file to metricModules/);
          return true;
        },
        module,
      );
  });

  test("is identified by its content and that of its imports, wherever it lies", async () => {
    const copy = join(folder, "copy");
    await cp(own, copy, { recursive: true });
    assert.equal(moduleReferenceOf(join(copy, "within.js")), moduleReferenceOf(file));
    await writeFile(join(copy, "distance.js"), "export const distance = (a, b) => (a - b) ** 2;");
    assert.notEqual(moduleReferenceOf(join(copy, "within.js")), moduleReferenceOf(file));
    assert.throws(
      () => localCopy(join(copy, "within.js"))(moduleReferenceOf(file)),
      /with the files that it imports unchanged/,
    );
    const list = listOfModules([bundleModule(file).hash]);
    requireListed(moduleReferenceOf(file), list);
    for (const [reference, deployedWith] of [
      [moduleReferenceOf(join(copy, "within.js")), list],
      [moduleReferenceOf(file), listOfModules([])],
    ] as const)
      assert.throws(
        () => requireListed(reference, deployedWith),
        /engine\.metric\.module \(within\.js\) is not deployed with this fleet; add the file .*, and deploy, again/,
      );
    await rm(join(copy, "distance.js"));
    assert.throws(
      () => moduleReferenceOf(join(copy, "within.js")),
      /cannot be bundled \(Could not resolve "\.\/distance\.js"\); give the path/,
    );
  });

  test("is read locally from the user's own file only, and only if it is unchanged", async () => {
    const reference = moduleReferenceOf(file);
    assert.equal(localCopy(file)(reference), file);
    assert.throws(() => localCopy(undefined)(reference), /name your own copy by --metric-module/);
    const changed = join(folder, "within.js");
    await writeFile(changed, "export const score = () => [1, 1, 1];");
    assert.throws(
      () => localCopy(changed)(reference),
      /is not the metric module that the run is scored with/,
    );
  });

  test("is never loaded from the bucket", async () => {
    const store = new MemoryObjectStore();
    const scratch = join(folder, "scratch");
    // Code at the place that a path of the document refers to.
    await mkdir(join(scratch, "runs", "evil", "metrics"), { recursive: true });
    const mark = "globalThis.evaluated = true; export const score = () => [1];";
    await writeFile(join(scratch, "runs", "evil", "metrics", "evil.mjs"), mark);
    await writeWorkloadDocument(store, "evil", {
      version: 1,
      configuration: {
        model: { model_name: "m", model: "model.onnx" },
        engine: {
          calibration: { inputs: { x: "x.npy" } },
          evaluation: { inputs: { x: "x.npy" }, labels: "y.npy" },
          metric: { module: "metrics/evil.mjs" },
        },
        compression: { algorithms: [{ name: "TunableQuantization", params: { tuning_scope: ["layer"] } }] },
      },
      configurationHash: "0".repeat(64),
      files: [{ path: "model.onnx", key: "models/m", bytes: 1, sha256: "0".repeat(64) }],
      outputs: [{ name: "y", type: "float32", shape: [1, 2] }],
    });
    for (const locate of [deployedModules(deployed), localCopy(undefined), localCopy(file)])
      await assert.rejects(openStudy(store, "evil", scratch, locate), ConfigurationError);
    assert.ok(!("evaluated" in globalThis));
  });
});
