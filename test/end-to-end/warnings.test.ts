import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { tune } from "../../scripts/api/tune.js";
import { estimate } from "../../scripts/fleet/submission/submit.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { DataType } from "../../shared/onnx/model/tensor.js";
import type { RunResult } from "../../shared/run/result/result.js";
import { npyBytes } from "../data/write-npy.js";
import { buildModel, GraphBuilder } from "../fixtures/models/model-builder.js";
import { runCommand } from "./steps/command.js";
import { DEMO, demoConfiguration } from "./steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-warnings-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

describe("Warnings of a run", () => {
  test("are printed before the run and are in result.json, together with those of the outcome", async () => {
    // Seven samples are too few to distinguish trials.
    const demo = await demoConfiguration(
      { trials: 6, calibration: 7, evaluation: 7 },
      { accuracy_weight: 2, race: "off" },
    );
    const { validation: _, ...engine } = demo.engine;
    const { inputs } = engine.evaluation!;
    const configuration = { ...demo, engine: { ...engine, calibration: { inputs: inputs! } } };
    const out = join(folder, "out");
    const run = await tune({ configuration }, { out, workers: 1 });
    assert.deepEqual(
      run.warnings.map(({ level, code }) => [level, code]),
      [
        ["note", "no-effect"],
        ["note", "shared-rows"],
      ],
    );
    const result = await run.result;
    assert.deepEqual(result.warnings.slice(0, 2), run.warnings);
    const written = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    assert.deepEqual(written.warnings, result.warnings);
    // Without effects, no parameter has an importance.
    const nothingMoved = result.warnings.some(({ code }) => code === "nothing-moved");
    assert.equal(result.explanation.importance.accuracyLoss.length === 0, nothingMoved);
  });
});

/** How often stderr tells of each kind. */
const toldOf = (stderr: string, ...kinds: readonly RegExp[]): readonly number[] =>
  kinds.map((kind) => stderr.split("\n").filter((line) => kind.test(line)).length);

const PREPROCESSING = /^Warning: input "input" is .* in engine\.calibration, but .* in engine\.evaluation/;
const NEAR_CHANCE = /^Warning: the model is right on .* of \d+ evaluation samples/;

describe("Quantize and evaluate warn, once and on stderr", () => {
  test("of calibration that is preprocessed otherwise than evaluation, and of accuracy near chance", async () => {
    const demo = await demoConfiguration({ trials: 1, calibration: 40, evaluation: 64 });
    const { calibration } = demo.engine;
    const input = calibration!.inputs!.input as { data: string; rows: [number, number] };
    const raw = { inputs: { input: { data: input.data, rows: input.rows, scale: 1 } } };
    const config = join(folder, "otherwise.json");
    const write = (changes: object) =>
      writeFile(config, JSON.stringify({ ...demo, engine: { ...demo.engine, ...changes } }));
    await write({ calibration: raw });
    const quantized = await runCommand(["quantize", config, "--out", join(folder, "otherwise")], folder);
    assert.equal(quantized.code, 0, quantized.stderr);
    assert.deepEqual(toldOf(quantized.stderr, PREPROCESSING, NEAR_CHANCE), [1, 0]);
    const model = join(DEMO, "model.onnx");
    const evaluated = await runCommand(["evaluate", model, config], folder);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    assert.deepEqual(toldOf(evaluated.stderr, PREPROCESSING, NEAR_CHANCE), [1, 0]);

    const spoilt = { ...raw.inputs.input, rows: [0, 64], mean: [255] };
    await write({ evaluation: { ...demo.engine.evaluation, inputs: { input: spoilt } } });
    const guessed = await runCommand(["evaluate", model, config], folder);
    assert.equal(guessed.code, 0, guessed.stderr);
    assert.deepEqual(toldOf(guessed.stderr, PREPROCESSING, NEAR_CHANCE), [1, 1]);

    await write({});
    for (const command of [
      ["quantize", config, "--out", join(folder, "alike")],
      ["evaluate", model, config],
    ]) {
      const sound = await runCommand(command, folder);
      assert.equal(sound.code, 0, sound.stderr);
      assert.doesNotMatch(sound.stderr, /Warning/);
    }
  });

  test("of nothing in a section that they do not use and that cannot be read", async () => {
    const demo = await demoConfiguration({ trials: 1, calibration: 8, evaluation: 32 });
    const missing = { inputs: { input: "missing.npy" } };
    const config = join(folder, "missing.json");
    await writeFile(
      config,
      JSON.stringify({
        ...demo,
        engine: { ...demo.engine, evaluation: { ...demo.engine.evaluation, ...missing } },
      }),
    );
    const quantized = await runCommand(["quantize", config, "--out", join(folder, "missing")], folder);
    assert.equal(quantized.code, 0, quantized.stderr);
    await writeFile(config, JSON.stringify({ ...demo, engine: { ...demo.engine, calibration: missing } }));
    const evaluated = await runCommand(["evaluate", join(DEMO, "model.onnx"), config], folder);
    assert.equal(evaluated.code, 0, evaluated.stderr);
  });
});

test("Work inside control flow is told of by tune, quantize and submit alike", async () => {
  const branch = (seed: number) => {
    const body = new GraphBuilder(`branch${seed}`, seed);
    body.output(body.matMul("hidden", 4, 4, { name: `inner${seed}` }), DataType.FLOAT, ["N", 4]);
    return body.graph;
  };
  const model = buildModel((graph) => {
    const hidden = graph.node(
      "Relu",
      [graph.matMul(graph.input("x", ["N", 4]), 4, 4)],
      {},
      { outputs: ["hidden"] },
    );
    const sum = graph.node("ReduceSum", [hidden], { keepdims: 0 });
    const positive = graph.node("Greater", [sum, graph.floats("zero", [], [0])]);
    const branches = { then_branch: { graph: branch(1) }, else_branch: { graph: branch(2) } };
    graph.output(graph.node("If", [positive], branches, { name: "choose" }), DataType.FLOAT, ["N", 4]);
  });
  await writeFile(join(folder, "if.onnx"), encodeModel(model));
  const data = Float32Array.from({ length: 40 * 4 }, (_, index) => Math.sin(index));
  await writeFile(join(folder, "if.npy"), npyBytes({ descr: "<f4", shape: [40, 4], data }));
  const section = (first: number) => ({
    inputs: { x: { data: "if.npy", rows: [first, first + 20] as [number, number] } },
  });
  const configuration = {
    model: { model: "if.onnx" },
    engine: { calibration: section(0), evaluation: section(20), metric: { name: "sqnr" as const } },
    optimizer: { params: { max_trials: 2, benchmark: { duration_seconds: 0.05 } } },
  };
  const config = join(folder, "if.json");
  await writeFile(config, JSON.stringify(configuration));
  const says =
    /^Note: If "choose" stays in float: its bodies hold 2 MatMul, and nothing in bodies of control flow is quantized\.$/;
  for (const command of ["tune", "quantize"]) {
    const out = join(folder, `if-${command}`);
    const { code, stderr } = await runCommand([command, config, "--out", out], folder);
    assert.ok(code === 0 || code === 3, stderr);
    assert.deepEqual(toldOf(stderr, says), [1]);
  }
  const notices: string[] = [];
  const onNotice = (sentence: string) => void notices.push(sentence);
  await estimate({ configuration, directory: folder }, { secondsPerTrial: 1, onNotice });
  assert.deepEqual(toldOf(notices.join("\n"), says), [1]);
});
