import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { planQuantization, type TensorPlan } from "../../../shared/quantization/space/plan.js";
import { activationSchemes, weightSchemes } from "../../../shared/quantization/space/schemes.js";
import { deriveSpace, switchName } from "../../../shared/quantization/space/space.js";
import { requiredStatistics } from "../../../shared/quantization/space/statistics-requirement.js";
import { statisticName, statisticsOf } from "../../../shared/statistics/requirement.js";
import { isQuantile } from "../../../shared/statistics/statistic-type.js";
import { anyOptions, configurationAt, draws, SIDES } from "../configurations.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "../small-net.js";

fc.configureGlobal({ seed: 10, numRuns: 400 });

const { layout, hardware, view } = makeSubject(await prepareSmallNet(), quantizationSettings());
const ops = [...layout.ops.values()];

function inputsOf(op: (typeof ops)[number]): string[] {
  return op.activations.map((i) => layout.quantizerOf.get(op.node.input[i]!)!);
}

function assertEstimator({ estimator }: TensorPlan): void {
  for (const side of SIDES) {
    const estimate = estimator[side];
    if (estimate !== undefined) assert.equal(estimate.outlierProb !== undefined, isQuantile(estimate.type));
  }
}

describe("The plan of any configuration of any options", () => {
  const planned = fc.tuple(anyOptions, draws).map(([options, drawn]) => {
    const space = deriveSpace(layout, hardware, options);
    const configuration = configurationAt(space.parameters, drawn);
    return { options, configuration, plan: planQuantization(layout, hardware, options, configuration) };
  });

  test("quantizes every operand of a quantized op, and its output where the kernel needs that", () => {
    fc.assert(
      fc.property(planned, ({ plan }) => {
        for (const op of ops.filter(({ key }) => plan.ops.has(key))) {
          for (const quantizer of inputsOf(op)) assert.ok(plan.activations.has(quantizer), op.name);
          if (op.kernel === "integer output") {
            assert.ok(plan.activations.has(layout.quantizerOf.get(op.output)!), op.name);
          }
          if (op.weight !== undefined) assert.ok(plan.weights.has(op.weight.initializer), op.name);
        }
      }),
    );
  });

  test("leaves every reader of a switched-off group in float, so that no op mixes float and quantized inputs", () => {
    fc.assert(
      fc.property(planned, ({ configuration, plan }) => {
        for (const op of ops) {
          const groups = new Set(inputsOf(op).map((quantizer) => layout.groupOf.get(quantizer)!));
          assert.equal(groups.size, 1, `${op.name} reads one group`);
          const [group] = groups;
          if (configuration[switchName(group!)] === false) assert.ok(!plan.ops.has(op.key), op.name);
        }
        for (const [id] of plan.activations) {
          const { tensors } = layout.activations.get(id)!;
          const isUsed = ops.some(
            (op) =>
              plan.ops.has(op.key) &&
              (tensors.includes(op.output) ||
                op.activations.some((i) => tensors.includes(op.node.input[i]!))),
          );
          assert.ok(isUsed, `${id} is quantized for somebody`);
        }
      }),
    );
  });

  test("uses only schemes of the device, and outlier probabilities only for quantiles", () => {
    fc.assert(
      fc.property(planned, ({ options, plan }) => {
        const isOffered = (offered: readonly object[], { bits, mode, granularity }: TensorPlan): boolean =>
          offered.some((scheme) => JSON.stringify(scheme) === JSON.stringify({ bits, mode, granularity }));
        for (const [id, tensor] of plan.activations) {
          const schemes = activationSchemes(layout.activations.get(id)!, layout, hardware, options);
          assert.ok(isOffered(schemes, tensor));
          assert.ok(tensor.estimator.min !== undefined);
          assertEstimator(tensor);
        }
        for (const [id, tensor] of plan.weights) {
          const schemes = weightSchemes(layout.weights.get(id)!, layout, hardware, options);
          assert.ok(isOffered(schemes, tensor));
          assert.equal(tensor.estimator.min === undefined, tensor.mode === "symmetric");
          assertEstimator(tensor);
        }
      }),
    );
  });

  test("needs no statistic that was not collected", () => {
    fc.assert(
      fc.property(planned, ({ options, plan }) => {
        const gathered = requiredStatistics(layout, view, options);
        for (const [id, { estimator }] of plan.activations) {
          for (const source of layout.activations.get(id)!.sources) {
            const names = gathered.get(source)!.map(statisticName);
            for (const side of SIDES) {
              const { type, outlierProb = 0 } = estimator[side]!;
              for (const statistic of statisticsOf(type, side, outlierProb)) {
                assert.ok(names.includes(statisticName(statistic)), `${source}: ${statisticName(statistic)}`);
              }
            }
          }
        }
      }),
    );
  });

  test("equals the preset for the base, and where choices are left out", () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const untuned = { ...options, tuningScope: new Set<never>(), estimatorScope: new Set<never>() };
        const preset = planQuantization(layout, hardware, untuned, {});
        assert.deepEqual(planQuantization(layout, hardware, options, {}), preset);
        const { base } = deriveSpace(layout, hardware, {
          ...options,
          outlierProbChoices: [1e-3, 1e-4, 0.01],
        });
        assert.deepEqual(planQuantization(layout, hardware, options, base), preset);
      }),
    );
  });
});

test("the preset performance is symmetric throughout, mixed has asymmetric activations", () => {
  for (const [preset, activations] of [
    ["performance", "symmetric"],
    ["mixed", "asymmetric"],
  ] as const) {
    const plan = planQuantization(layout, hardware, tuningOptions({ preset }), {});
    assert.deepEqual([...plan.ops].sort(), [...layout.ops.keys()].sort());
    assert.deepEqual(new Set([...plan.activations.values()].map(({ mode }) => mode)), new Set([activations]));
    for (const weight of plan.weights.values()) {
      assert.deepEqual([weight.mode, weight.granularity], ["symmetric", "perchannel"]);
    }
  }
});
