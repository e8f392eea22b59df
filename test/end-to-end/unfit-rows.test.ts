import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { loadConfiguration } from "../../scripts/api/configuration.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { Evaluator } from "../../shared/evaluation/jobs/evaluator.js";
import { runJob } from "../../shared/evaluation/jobs/run-job.js";
import { loadWorkload } from "../../shared/evaluation/workload/workload.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { DataType } from "../../shared/onnx/model/tensor.js";
import { eventSchema, MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { temporaryFolder } from "../data/temporary-folder.js";
import { npyBytes } from "../data/write-npy.js";
import { LARGEST_ID, lookupIds, lookupModel } from "../fixtures/models/lookup.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { CommandThread } from "./steps/command.js";

const folder = await temporaryFolder();
const commands = new CommandThread(folder.path);
after(() => commands.close());
const path = (name: string) => join(folder.path, name);

const ROWS = 40;
/** In the middle of the file and of the numbers, where no look at the furthest numbers finds it. */
const BAD_ROW = 23;
await folder.write("ids.npy", npyBytes({ descr: "<i8", shape: [ROWS, 1], data: lookupIds(ROWS, BAD_ROW) }));
await folder.write("lookup.onnx", encodeModel(lookupModel()));
/** Divides by `id - 50`, which makes infinities of the row in the middle. */
await folder.write(
  "division.onnx",
  encodeModel(
    buildModel((graph) => {
      const id = graph.node("Cast", [graph.input("ids", ["N", 1], DataType.INT64)], { to: DataType.FLOAT });
      const distance = graph.node("Sub", [id, graph.floats("half", [1], [LARGEST_ID / 2])]);
      const product = graph.node("MatMul", [id, graph.floats("weights", [1, 3], [1, 2, 3])]);
      graph.output(graph.node("Div", [product, distance], {}, { outputs: ["y"] }), DataType.FLOAT, ["N", 3]);
    }),
  ),
);

type Rows = readonly [number, number];
const section = (rows: Rows) => ({
  inputs: { ids: { data: "ids.npy", rows: [...rows] as [number, number] } },
});

function configurationOf(model: string, calibration: Rows, evaluation: Rows): RunConfigurationInput {
  return {
    model: { model: `${model}.onnx` },
    engine: { calibration: section(calibration), evaluation: section(evaluation), metric: { name: "sqnr" } },
    optimizer: { params: { max_trials: 2, race: "off", benchmark: { duration_seconds: 0.05 } } },
  };
}

const WHOLE: Rows = [0, ROWS];
const SOUND: Rows = [0, BAD_ROW];

async function runTune(name: string, configuration: RunConfigurationInput) {
  await folder.write(`${name}.json`, JSON.stringify(configuration));
  return commands.run(["tune", path(`${name}.json`), "--out", path(name), "--workers", "1"]);
}

const CASES = [
  ["calibration", configurationOf("lookup", WHOLE, SOUND), /the model cannot be run on this, because Gather/],
  ["evaluation", configurationOf("lookup", SOUND, WHOLE), /the model cannot be run on this, because Gather/],
  ["evaluation", configurationOf("division", SOUND, WHOLE), /holds values that are not finite/],
] as const;

describe("A row that the model cannot be run on, found only while it is run", () => {
  for (const [number, [of, configuration, reason]] of CASES.entries()) {
    const name = `run-${number}`;
    test(`is an input error of tune that names file, row and remedy: ${of}, ${String(reason)}`, async () => {
      const { code, stderr } = await runTune(name, configuration);
      const lines = stderr.trim().split("\n");
      assert.match(lines[0] ?? "", /^Run /);
      const error = lines.at(-1) ?? "";
      assert.match(error, reason);
      assert.match(error, new RegExp(`engine\\.${of}\\.inputs\\.ids \\(ids\\.npy\\), row ${BAD_ROW}: `));
      assert.match(error, /; (?:correct the data|give samples)/);
      assert.equal(code, 2);
      // It fails the first time for good.
      const trials = await readFile(path(`${name}/trials.jsonl`), "utf8");
      for (const line of trials.split("\n").filter((text) => text !== "")) JSON.parse(line);
      assert.deepEqual((await readdir(path(name))).sort(), ["run", "trials.jsonl"]);
    });

    test(`is left out by rows, and the same folder takes the result: ${of}, ${String(reason)}`, async () => {
      const sound = configurationOf(configuration.model.model.replace(".onnx", ""), SOUND, SOUND);
      const { code, stderr } = await runTune(name, sound);
      assert.ok(code === 0 || code === 3, stderr);
      assert.ok((await readdir(path(name))).includes("result.json"));
    });
  }

  test("is the answer of a fleet's job, as an input error", async () => {
    const { configuration, directory } = await loadConfiguration({
      configuration: configurationOf("lookup", SOUND, WHOLE),
      directory: folder.path,
    });
    requireSupported(configuration, "tune");
    const store = new MemoryObjectStore();
    const workload = await loadWorkload(configuration, directory, async () => store);
    const evaluator = new Evaluator({ workload, store, statistics: { store, shards: 1 } });
    const context = {
      evaluator,
      workload,
      store,
      statistics: store,
      worker: "w",
      properties: {},
      now: () => 0,
    };
    const base = { version: MESSAGE_VERSION, runId: "r", attempt: 1, deadline: 0 } as const;
    const shard = { index: 0, count: 1 };
    try {
      const job = {
        ...base,
        type: "trial",
        trial: 0,
        shard,
        configuration: null,
        measureLatency: false,
      } as const;
      const report = eventSchema.parse(await runJob(job, context));
      assert.ok(report.type === "TrialReported" && report.outcome.state === "failed");
      assert.equal(report.outcome.input, true);
      assert.match(
        report.outcome.reason,
        /^engine\.evaluation\.inputs\.ids \(ids\.npy\), row 23: .*with rows\.$/,
      );
    } finally {
      await evaluator.release();
    }
  });
});
