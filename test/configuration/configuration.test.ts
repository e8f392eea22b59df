import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { ConfigurationError } from "../../shared/basics/errors.js";
import { canonicalJson, configurationHash } from "../../shared/configuration/hash.js";
import {
  parseConfiguration,
  readConfiguration,
  resolvePath,
  validateConfiguration,
} from "../../shared/configuration/parse.js";
import { configurationJsonSchema } from "../../shared/configuration/schema.js";
import { spoil } from "../fixtures/broken/spoiled-configuration.js";

const MINIMAL = '{ "model": { "model": "m.onnx" }, "engine": {} }';

function parse(text: string) {
  return parseConfiguration(text, { file: "run.json" }).configuration;
}

describe("Defaults", () => {
  test("a model alone is enough: TunableQuantization, tuned by layer, mode and estimator", () => {
    const { engine, optimizer, compression } = parse(MINIMAL);
    assert.deepEqual(engine, {
      session: { graphOptimizationLevel: "all", intraOpNumThreads: 1 },
      batch_size: 32,
    });
    assert.deepEqual(optimizer.params, {
      max_trials: 200,
      max_minutes: 0,
      stop_on_target: false,
      trials_load_method: "cold_start",
      accuracy_loss: 1,
      latency_reduce: 1,
      accuracy_weight: 1,
      latency_weight: 1,
      expected_quantization_ratio: 0.5,
      quantization_ratio_weight: 0,
      benchmark: {},
      objective: "constrained",
      minimize: "latency",
      race: "on",
      sensitivity: "auto",
      seed: 1,
    });
    assert.deepEqual(compression.algorithms, [
      {
        name: "TunableQuantization",
        params: {
          preset: "performance",
          shuffle_data: false,
          seed: 0,
          saturation_fix: "auto",
          tuning_scope: ["layer", "mode", "range_estimator"],
          estimator_tuning_scope: ["preset"],
        },
      },
    ]);
  });

  test("session entries become strings, also when written as numbers or booleans", () => {
    const { engine } = parse(
      `{ "model": { "model": "m.onnx" }, "engine": { "session": { "extra": {
        "session.x64quantprecision": true, "session.dynamic_block_base": 4, "a.b": "c" } } } }`,
    );
    assert.deepEqual(engine.session.extra, {
      "session.x64quantprecision": "1",
      "session.dynamic_block_base": "4",
      "a.b": "c",
    });
  });

  test("without range_estimator in scope no estimator is tuned", () => {
    const { compression } = parse(
      `{ "model": { "model": "m.onnx" }, "engine": {}, "compression": { "algorithms": [
        { "name": "TunableQuantization", "params": { "tuning_scope": ["layer"] } } ] } }`,
    );
    const [algorithm] = compression.algorithms;
    assert.ok(algorithm?.name === "TunableQuantization");
    assert.deepEqual(algorithm.params.estimator_tuning_scope, []);
  });
});

describe("Files written for POT", () => {
  test("may have comments, preset aliases, None, and keys whose value is quantfleet's behaviour anyway", () => {
    const { optimizer, compression } = parse(`{
      // the model
      "model": { "model_name": "a", "model": "m.onnx" }, /* data */ "engine": {},
      "optimizer": { "name": "Tpe", "params": { "anneal": false, "debug": false,
        "benchmark": { "nthreads": 8, "nstreams": 1, "nireq": 1, "api_type": "async", "duration_seconds": 30 } } },
      "compression": { "model_type": "None", "inplace_statistics": true, "dump_intermediate_model": false,
        "algorithms": [ { "name": "MinMaxQuantization", "params": { "preset": "asymmetric", "stat_batch_size": 1 } } ] } }`);
    assert.equal(compression.model_type, null);
    assert.equal(compression.dump_intermediate_model, undefined);
    assert.equal(canonicalJson(optimizer.params.benchmark), '{"duration_seconds":30,"nthreads":8}');
    assert.equal(canonicalJson(optimizer.params).includes("anneal"), false);
    const [algorithm] = compression.algorithms;
    assert.ok(algorithm?.name === "MinMaxQuantization");
    assert.equal(algorithm.params.preset, "accuracy");
  });

  test("a path may stand for an array or labels", () => {
    const { engine } = parse(
      `{ "model": { "model": "m.onnx" }, "engine": { "evaluation": { "inputs": { "x": "x.npy" }, "labels": "y.txt" } } }`,
    );
    assert.deepEqual(engine.evaluation, {
      inputs: { x: { data: "x.npy", scale: 1 } },
      labels: { data: "y.txt" },
    });
  });
});

test("checking a checked configuration again changes nothing", () => {
  for (const text of [MINIMAL, spoil("optimizer", { params: { anneal: false, seed: 7 } })]) {
    const once = parse(text);
    const { configuration } = validateConfiguration(once, { directory: "." });
    assert.equal(canonicalJson(configuration), canonicalJson(once));
  }
});

describe("Paths and files", () => {
  test("relative paths start from the configuration's folder; absolute ones and S3 are unchanged", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quantfleet-configuration-"));
    try {
      await writeFile(join(folder, "run.json"), `\uFEFF${MINIMAL}`);
      const { directory } = await readConfiguration(join(folder, "run.json"));
      assert.equal(resolvePath(directory, "../x.npy"), resolve(folder, "../x.npy"));
      assert.equal(resolvePath(directory, resolve("x.npy")), resolve("x.npy"));
      assert.equal(resolvePath(directory, "s3://bucket/x.npy"), "s3://bucket/x.npy");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a missing file is named in the error", async () => {
    await assert.rejects(readConfiguration("no-such-file.json"), {
      name: "ConfigurationError",
      message: "no-such-file.json cannot be read (ENOENT); give the path of a configuration file.",
    });
  });

  test("a folder is refused", async () => {
    await assert.rejects(readConfiguration("."), {
      name: "ConfigurationError",
      message: ". is not a file; give the path of a configuration file.",
    });
  });

  test("errors in a program's configuration name no file", () => {
    assert.throws(
      () => validateConfiguration({ model: { model: "" }, engine: {} }, { directory: "." }),
      (error) =>
        error instanceof ConfigurationError &&
        error.message === 'model.model is "", but must be a path of 1 to 4096 characters.' &&
        error.path === "model.model",
    );
  });
});

describe("Hash", () => {
  test("does not change with the order of keys, comments or explicit defaults", () => {
    const other = `{ "engine": { "batch_size": 32 }, /* same */ "model": { "model": "m.onnx" } }`;
    assert.equal(configurationHash(parse(other)), configurationHash(parse(MINIMAL)));
    assert.match(configurationHash(parse(MINIMAL)), /^[0-9a-f]{64}$/);
  });

  test("does not change with the limits of the search", () => {
    const params = { max_trials: 7, max_minutes: 3, max_cost_usd: 2 };
    const other = JSON.stringify({ ...JSON.parse(MINIMAL), optimizer: { params } });
    assert.equal(configurationHash(parse(other)), configurationHash(parse(MINIMAL)));
  });

  test("changes with a value", () => {
    const other = `{ "engine": { "batch_size": 31 }, "model": { "model": "m.onnx" } }`;
    assert.notEqual(configurationHash(parse(other)), configurationHash(parse(MINIMAL)));
  });
});

describe("JSON Schema", () => {
  test("names limits, defaults and choices, and closes every object", () => {
    const schema = JSON.stringify(configurationJsonSchema());
    assert.match(
      schema,
      /"max_trials":\{"default":200,"description":"[^"]+","type":"integer","minimum":1,"maximum":100000\}/,
    );
    assert.match(schema, /"enum":\["constrained","loss","pareto"\]/);
    const objects = schema.split('"properties"').length - 1;
    assert.equal(schema.split('"additionalProperties":false').length - 1, objects);
  });
});

test("the configurations in ../shared/models are valid", async (t) => {
  const models = resolve("../shared/models");
  const names = [
    "demo-mnist-dscnn",
    "dscnn-cifar10",
    "kws-dscnn-mlperf",
    "ppocr-cls",
    "ppocr-rec",
    "resnet20-cifar10",
    "text-trec",
  ];
  for (const name of names) {
    const file = join(models, name, "config.json");
    if (!(await readFile(file).catch(() => undefined))) {
      t.diagnostic(`${name} was left out: ../shared/models is missing`);
      continue;
    }
    const { configuration } = await readConfiguration(file);
    assert.equal(configuration.model.model_name, name);
  }
});
