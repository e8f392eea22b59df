import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { loadConfiguration } from "../../../scripts/api/configuration.js";
import { requireSupported } from "../../../shared/configuration/supported.js";
import type { Evaluator } from "../../../shared/evaluation/jobs/evaluator.js";
import { finishKeys, finishRun } from "../../../shared/evaluation/jobs/finish.js";
import type { QuantizedModel } from "../../../shared/evaluation/quantizer/quantizer.js";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { type FinishSummary, finishSummarySchema } from "../../../shared/run/protocol/finish-summary.js";
import { type FinishJob, MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-finish-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

const demo = await demoConfiguration({ trials: 1, calibration: 8, evaluation: 16 });
const { configuration, directory } = await loadConfiguration({
  configuration: {
    ...demo,
    optimizer: { ...demo.optimizer, params: { ...demo.optimizer?.params, minimize: "latency" } },
  },
});
requireSupported(configuration, "tune");
const workload = await loadWorkload(configuration, directory, async () => new MemoryObjectStore());

const choices = (trial: number) => ({ trial: String(trial) });
const job: FinishJob = {
  version: MESSAGE_VERSION,
  type: "finish",
  runId: "test",
  attempt: 1,
  candidates: [7, 9].map((trial) => ({ trial, configuration: choices(trial) })),
  base: choices(1),
  deadline: 0,
};

/** Steps of a finish that fail, for one trial or for all, and what the others measure. */
interface Course {
  readonly models?: readonly number[];
  readonly validation?: boolean;
  readonly latency?: boolean;
  /** Speed-ups over float, in the order of the models; 2 when left out. */
  readonly ratios?: readonly number[];
}

/** An evaluator whose models are the float model. */
function evaluatorWith({ models = [], validation = false, latency = false, ratios = [] }: Course): Evaluator {
  const quantized: QuantizedModel = {
    model: workload.subject.prepared.model,
    plan: { ops: new Set(), activations: new Map(), weights: new Map() },
    unbounded: { stem: "it is not finite" },
    quantizedShare: { byCount: 0, byParameters: 0 },
    simulatedShare: { byCount: 0, byParameters: 0 },
  };
  const evaluator: Pick<Evaluator, "quantize" | "validate" | "latencies" | "floatLevel"> = {
    quantize: async ({ trial }) => {
      if (models.includes(Number(trial))) throw new Error(`no model of ${trial}`);
      return quantized;
    },
    validate: async () => {
      if (validation) throw new Error("the metric fails");
      return { rows: Float32Array.of(1, 0), samples: 2, inferenceSeconds: 0 };
    },
    latencies: async (candidates) => {
      if (latency) throw new Error("the session cannot be opened");
      return candidates.map((_, rank) => ({
        ratio: ratios[rank] ?? 2,
        noise: 0.01,
        referenceMs: 2,
        candidateMs: 1,
      }));
    },
    floatLevel: async () => "extended",
  };
  return evaluator as Evaluator;
}

async function finish(
  broken: Course,
): Promise<{ best: number | null; summary: FinishSummary; keys: string[]; model: Uint8Array | undefined }> {
  const store = new MemoryObjectStore();
  const { best, objects } = await finishRun(job, evaluatorWith(broken), workload, store, {});
  const stored = await store.get(finishKeys("test").summary);
  const summary = finishSummarySchema.parse(JSON.parse(Buffer.from(stored!.body).toString("utf8")));
  const model = (await store.get(finishKeys("test").model))?.body;
  return { best, summary, keys: objects.map(({ key }) => key), model: model && Buffer.from(model) };
}

describe("A finish", () => {
  test("measures the candidates and the base, and writes the first candidate", async () => {
    const { best, summary, keys } = await finish({});
    assert.equal(best, 7);
    assert.deepEqual(
      summary.candidates.map(({ trial }) => trial),
      [7, 9],
    );
    assert.equal(summary.base?.trial, 1);
    assert.deepEqual(summary.candidates[0]?.unbounded, { stem: "it is not finite" });
    assert.deepEqual(summary.problems, []);
    assert.ok(keys.includes(finishKeys("test").model));
  });

  test("goes on without a base whose model cannot be made", async () => {
    const { best, summary, keys } = await finish({ models: [1] });
    assert.equal(best, 7);
    assert.equal(summary.base, undefined);
    assert.deepEqual(summary.problems, ["The model of trial 1 could not be made: no model of 1"]);
    assert.ok(keys.includes(finishKeys("test").model));
  });

  test("writes the next candidate where the first one's model cannot be made", async () => {
    const { best, summary } = await finish({ models: [7] });
    assert.equal(best, 9);
    assert.deepEqual(
      summary.candidates.map(({ trial }) => trial),
      [9],
    );
  });

  test("writes the model where validation or timing fails, and reports the problems", async () => {
    const { best, summary, keys } = await finish({ validation: true, latency: true });
    assert.equal(best, 7);
    assert.ok(keys.includes(finishKeys("test").model));
    assert.equal(summary.floatValidation, undefined);
    assert.equal(summary.candidates[0]?.validation, undefined);
    assert.equal(summary.candidates[0]?.latency, undefined);
    assert.ok(summary.candidates[0]?.integerKernels !== undefined);
    assert.ok(summary.problems.includes("The float model could not be validated: the metric fails"));
  });

  test("writes the fastest candidate, whatever its rank", async () => {
    const { best, summary } = await finish({ ratios: [1.5, 2.5, 3] });
    assert.equal(best, 9);
    assert.deepEqual(
      summary.candidates.map(({ trial }) => trial),
      [9, 7],
    );
    assert.equal(summary.keepFloat, undefined);
    assert.equal(summary.floatLevel, "extended");
  });

  test("writes the float model's own file where no candidate is faster", async () => {
    const { best, summary, model } = await finish({ ratios: [0.8, 0.7, 0.9] });
    assert.equal(best, 0);
    assert.match(summary.keepFloat ?? "", /trial 7, has 0\.80 times the float model's speed/);
    assert.deepEqual(model, await readFile(workload.modelPath));
  });

  test("fails with every reason, in one sentence, where no candidate's model can be made", async () => {
    await assert.rejects(finish({ models: [7, 9] }), {
      message:
        "the model of trial 7 could not be made: no model of 7; and the model of trial 9 could not be made: no model of 9.",
    });
  });
});
