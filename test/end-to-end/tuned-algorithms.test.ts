import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "../../scripts/api/inspect.js";
import { quantize } from "../../scripts/api/quantize.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { decodeModel, encodeModel } from "../../shared/onnx/model/codec.js";
import { edited } from "../../shared/onnx/model/edited.js";
import type { RunResult } from "../../shared/run/result/result.js";
import type { Configuration } from "../../shared/search/space/space.js";
import { npyBytes } from "../data/write-npy.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";
import { runCommand, startCommand } from "./steps/command.js";
import { DEMO, demoConfiguration } from "./steps/demo-configuration.js";
import { decidedTrials, finishedTrials } from "./steps/run-folder.js";
import { scoredBase } from "./steps/scored-base.js";

const SIZE = { trials: 12, calibration: 20, evaluation: 256 };
const POLL_MILLISECONDS = 10;

const folder = await mkdtemp(join(tmpdir(), "quantfleet-tuned-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

type Algorithm = NonNullable<NonNullable<RunConfigurationInput["compression"]>["algorithms"]>[number];

/** POT's own estimators, which lose most of the demo, whose channels are uneven. */
const QUANTIZATION: Algorithm = {
  name: "TunableQuantization",
  params: { tuning_scope: ["layer"], range_estimator: { preset: "default" } },
};
const EQUALIZED: Algorithm = { name: "CrossLayerEqualization" };
const CORRECTED: Algorithm = { name: "FastBiasCorrection" };
const TUNED: readonly Algorithm[] = [
  { ...EQUALIZED, params: { tune: true } },
  QUANTIZATION,
  { ...CORRECTED, params: { tune: true, threshold_choices: [0.01] } },
];

const demo = await demoConfiguration(SIZE);
const configurationOf = (algorithms: readonly Algorithm[], base = demo): RunConfigurationInput => ({
  ...base,
  // Plain INT8 codes, computed exactly on every machine.
  compression: { ...base.compression, target_device: "CPU_ARM64", algorithms: [...algorithms] },
});

interface Line {
  readonly number: number;
  readonly choices: Configuration | null;
  readonly origin?: { readonly run: string };
}

async function tune(out: string, algorithms: readonly Algorithm[], params: object = {}, workers = 1) {
  const configuration = configurationOf(algorithms);
  const { optimizer } = configuration;
  const asked = {
    ...configuration,
    optimizer: { ...optimizer, params: { ...optimizer?.params, ...params } },
  };
  await writeFile(join(folder, `${out}.json`), JSON.stringify(asked));
  const argv = ["tune", `${out}.json`, "--out", out.replace(/-.*/, ""), "--workers", `${workers}`];
  const { code, stderr } = await runCommand(argv, folder);
  assert.ok(code === 0 || code === 3, stderr);
  return { stderr, ...(await outcome(out.replace(/-.*/, ""))) };
}

async function outcome(out: string) {
  const read = (file: string) => readFile(join(folder, out, file), "utf8");
  const lines = (await read("trials.jsonl")).trim().split("\n");
  return {
    result: JSON.parse(await read("result.json")) as RunResult,
    trials: lines.map((line) => JSON.parse(line) as Line).sort((a, b) => a.number - b.number),
    best: (JSON.parse(await read("configuration.json")) as { choices: Configuration }).choices,
  };
}

/** The quantized model without its metadata, which names the configuration. */
async function quantized(
  algorithms: readonly Algorithm[],
  choices?: Configuration,
  base: RunConfigurationInput = demo,
): Promise<Uint8Array> {
  const path = join(folder, "choices.json");
  const document = { schemaVersion: 1, model: { sha256: "" }, run: "r", trial: 1, choices };
  await writeFile(path, JSON.stringify(document));
  const { model } = await quantize(
    { configuration: configurationOf(algorithms, base) },
    { out: join(folder, "quantized"), ...(choices === undefined ? {} : { configuration: path }) },
  );
  return encodeModel(edited(decodeModel(await readFile(model), model), { metadataProps: [] }));
}

/** Two products, between them channels of which some are a hundred times as large as others. */
async function unevenProducts(): Promise<RunConfigurationInput> {
  const [samples, width] = [8, 6];
  const random = new RandomValues(3);
  const model = buildModel((graph) => {
    const scales = Array.from({ length: width }, (_, channel) => 10 ** (channel % 3));
    const uneven = Array.from({ length: width * width }, (_, at) => random.normal() * scales[at % width]!);
    const made = graph.node("MatMul", [
      graph.input("x", ["N", width]),
      graph.floats("made", [width, width], uneven),
    ]);
    graph.output(graph.node("MatMul", [graph.node("Relu", [made]), graph.random("read", [width, 3])]));
  });
  await writeFile(join(folder, "products.onnx"), encodeModel(model));
  const data = Float32Array.from({ length: samples * width }, () => random.normal());
  await writeFile(join(folder, "products.npy"), npyBytes({ descr: "<f4", shape: [samples, width], data }));
  return {
    model: { model: join(folder, "products.onnx") },
    engine: { calibration: { inputs: { x: join(folder, "products.npy") } } },
  };
}

describe("Choices of algorithms quantize as configurations that fix them", () => {
  const [apply, correct] = ["CrossLayerEqualization/apply", "FastBiasCorrection/apply"];
  const equivalent: readonly [Configuration | undefined, readonly Algorithm[]][] = [
    [{ [apply]: false, [correct]: false }, [QUANTIZATION]],
    [{ [apply]: true, [correct]: false }, [EQUALIZED, QUANTIZATION]],
    [{ [apply]: false }, [QUANTIZATION, CORRECTED]],
    [
      { "FastBiasCorrection/threshold": 0.01 },
      [EQUALIZED, QUANTIZATION, { ...CORRECTED, params: { threshold: 0.01 } }],
    ],
    [{}, [EQUALIZED, QUANTIZATION, CORRECTED]],
    [undefined, [EQUALIZED, QUANTIZATION, CORRECTED]],
  ];
  for (const [choices, fixed] of equivalent) {
    test(JSON.stringify(choices ?? "the base"), async () => {
      assert.deepEqual(await quantized(TUNED, choices), await quantized(fixed));
    });
  }
  test("with few bits, whose moments and errors are those of the rewritten form", async () => {
    const quantization: Algorithm = {
      name: "TunableQuantization",
      params: { ...QUANTIZATION.params, weights: { bits: 4 } },
    };
    const behind = (params: object): Algorithm[] =>
      ["AdaptiveRounding", "WeightBiasCorrection", "BiasCorrection"].map(
        (name) => ({ name, params }) as Algorithm,
      );
    const tuned = [{ ...EQUALIZED, params: { tune: true } }, quantization, ...behind({ tune: true })];
    const [rounding, weights, biases] = behind({});
    assert.deepEqual(
      await quantized(tuned, { [apply]: false, "WeightBiasCorrection/apply": false }),
      await quantized([quantization, rounding!, biases!]),
    );
    assert.deepEqual(
      await quantized(tuned, { "AdaptiveRounding/apply": false }),
      await quantized([EQUALIZED, quantization, weights!, biases!]),
    );
  });

  test("with SmoothQuant, at each of its alphas", async () => {
    const base = await unevenProducts();
    const smoothed = (params: object): Algorithm[] => [{ name: "SmoothQuant", params }, QUANTIZATION];
    const tuned = smoothed({ tune: true, alpha_choices: [0.3, 0.8] });
    const models = [
      await quantized(tuned, { "SmoothQuant/apply": false }, base),
      await quantized(tuned, { "SmoothQuant/alpha": 0.3 }, base),
      await quantized(tuned, { "SmoothQuant/alpha": 0.8 }, base),
    ];
    assert.deepEqual(models[0], await quantized([QUANTIZATION], undefined, base));
    assert.deepEqual(models[1], await quantized(smoothed({ alpha: 0.3 }), undefined, base));
    assert.deepEqual(models[2], await quantized(smoothed({ alpha: 0.8 }), undefined, base));
    assert.equal(new Set(models.map((model) => Buffer.from(model).toString("base64"))).size, 3);
  });

  test("and differ from each other", async () => {
    const plain = await quantized([QUANTIZATION]);
    assert.notDeepEqual(await quantized([EQUALIZED, QUANTIZATION]), plain);
  });
});

describe("A search that decides on algorithms", async () => {
  // Trials that are not stopped early say most about what mattered.
  const tuned = await tune("tuned", TUNED, { race: "off" });
  const replayed = await runCommand(["replay", "tuned", "--json"], folder);
  const without = await tune("without", [QUANTIZATION]);

  test("tries them both ways, and finds that equalizing the uneven demo pays", () => {
    const tried = tuned.trials.map(({ choices }) => choices?.["CrossLayerEqualization/apply"]);
    assert.ok(tried.includes(false) && tried.includes(true));
    assert.equal(tuned.best["CrossLayerEqualization/apply"], true);
    assert.ok(tuned.result.best!.withinBound);
    const { best } = without.result;
    assert.ok(!best!.withinBound || best!.bytes > tuned.result.best!.bytes);
  });

  test("says what each choice came to, and which mattered", () => {
    const { groups, importance } = tuned.result.explanation;
    const found = groups.find(({ group }) => group === "CrossLayerEqualization");
    assert.deepEqual(
      found?.parameters.map(({ parameter, choices }) => [parameter, choices.map(({ choice }) => choice)]),
      [["CrossLayerEqualization/apply", [true, false]]],
    );
    const moved = importance.accuracyLoss.find(
      ({ parameter }) => parameter === "CrossLayerEqualization/apply",
    );
    const effectOf = (done: boolean) => moved?.effects.find(({ choice }) => choice === done)?.effect ?? 0;
    assert.ok(effectOf(true) < effectOf(false), JSON.stringify(moved));
  });

  test("replays", () => assert.deepEqual(JSON.parse(replayed.stdout).divergences, [], replayed.stdout));

  test("goes on after being killed, to the same trials and the same bytes", async () => {
    const out = join(folder, "killed");
    const argv = ["tune", "tuned.json", "--out", "killed", "--workers", "1"];
    const command = startCommand(argv, folder);
    while (command.process.exitCode === null && (await finishedTrials(out)).length < 5) {
      await sleep(POLL_MILLISECONDS);
    }
    command.process.kill("SIGKILL");
    await command.outcome;
    const resumed = await runCommand([...argv, "--resume"], folder);
    assert.ok(resumed.code === 0 || resumed.code === 3, resumed.stderr);
    assert.deepEqual(await decidedTrials(out), await decidedTrials(join(folder, "tuned")));
    const [model, undisturbed] = await Promise.all(
      [out, join(folder, "tuned")].map((run) => readFile(join(run, "model.onnx"))),
    );
    assert.deepEqual(model, undisturbed);
  });

  test("takes its own trials over, and those of a run that had them fixed as its base has", async () => {
    const again = await tune("tuned-again", TUNED, {
      trials_load_method: "warm_start",
      race: "off",
      max_trials: 13,
    });
    assert.match(again.stderr, /Begins with 13 trials of run /);
    const rebuilt = await tune("tuned-eval", TUNED, { trials_load_method: "eval" });
    assert.match(rebuilt.stderr, /Rebuilds trial \d+ of run .*, without a trial\./);
    assert.deepEqual(rebuilt.best, again.best);
    await tune("fixed", [EQUALIZED, QUANTIZATION, CORRECTED], { max_trials: 3 });
    const warm = await tune("fixed-warm", TUNED, { trials_load_method: "warm_start", max_trials: 4 });
    assert.match(warm.stderr, /Begins with 4 trials of run /);
    const restored = warm.trials.filter(({ origin, choices }) => origin !== undefined && choices !== null);
    assert.deepEqual(
      restored.map(({ choices }) => choices!["CrossLayerEqualization/apply"]),
      [true, true, true],
    );
  });

  test("begins by fine_tune as an earlier run without them ended, and tries them", async () => {
    const fine = await tune("without-fine", TUNED, { trials_load_method: "fine_tune" });
    assert.equal(fine.trials[1]!.choices?.["CrossLayerEqualization/apply"], false);
    assert.equal(fine.trials[1]!.choices?.["FastBiasCorrection/apply"], false);
    assert.ok(fine.trials.some(({ choices }) => choices?.["CrossLayerEqualization/apply"] === true));
    assert.ok(fine.result.best!.bytes <= scoredBase(fine.result).bytes);
  });
});

describe("inspect", () => {
  const configuration = { configuration: configurationOf(TUNED) };
  const model = join(DEMO, "model.onnx");

  test("lists the parameters of tuned algorithms, and takes an algorithm for a group", async () => {
    const { companions, derivation } = await inspect(model, { configuration, group: "FastBiasCorrection" });
    assert.deepEqual(
      companions.map(({ name }) => name),
      ["CrossLayerEqualization/apply", "FastBiasCorrection/apply", "FastBiasCorrection/threshold"],
    );
    assert.deepEqual(derivation?.parameters, companions.slice(1));
  });

  test("has none for what would change nothing", async () => {
    const algorithms: Algorithm[] = [
      { name: "SmoothQuant", params: { tune: true, alpha_choices: [0.3] } },
      QUANTIZATION,
      { name: "AdaptiveRounding", params: { tune: true } },
    ];
    const { companions } = await inspect(model, {
      configuration: { configuration: configurationOf(algorithms) },
    });
    assert.deepEqual(companions, []);
  });
});
