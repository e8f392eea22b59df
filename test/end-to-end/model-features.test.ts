import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { GraphProto, NodeProto } from "onnx-buf";
import { findIntegerKernels } from "../../shared/evaluation/quantizer/integer-kernels.js";
import type { QuantizedModel } from "../../shared/evaluation/quantizer/quantizer.js";
import { liftOpset } from "../../shared/onnx/lift/opset.js";
import { nestedGraphs } from "../../shared/onnx/model/attributes.js";
import type { Model } from "../../shared/onnx/model/codec.js";
import { layOutQuantizers } from "../../shared/quantization/graph/groups.js";
import { findNodesInFloat } from "../../shared/quantization/graph/ignored/nodes-in-float.js";
import { WEIGHTED_TYPES } from "../../shared/quantization/graph/quantizable-ops.js";
import { switchName } from "../../shared/quantization/space/space.js";
import { DEFAULT_SESSION } from "../../shared/runtime/session.js";
import type { Configuration } from "../../shared/search/space/space.js";
import { betweenConvolutions } from "../fixtures/models/between-convolutions.js";
import { convolutions } from "../fixtures/models/convolutions.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import type { ModelFixture } from "../fixtures/models/model-fixture.js";
import { nestedStructures } from "../fixtures/models/nested-structures.js";
import { oldOperatorSets } from "../fixtures/models/old-operator-sets.js";
import { products } from "../fixtures/models/products.js";
import { structures } from "../fixtures/models/structures.js";
import {
  drawConfiguration,
  type ReadyFixture,
  readyFixture,
  runModel,
  widestConfiguration,
  worstSqnr,
} from "./steps/quantizing.js";

/**
 * Least signal-to-noise ratio in decibels. A normal signal within 4 standard deviations on 256 codes has 10
 * log10(12 * 255^2 / 8^2) = 41 dB; these networks chain up to a dozen quantizers, which leaves about 30 dB,
 * and a product of two signals loses 3 more. A scale or zero point that is off by a few codes, or on the
 * wrong axis, falls below 20.
 */
const LEAST_SQNR = 25;

/**
 * Integer kernels round each result once and float kernels several times, so a few codes may differ by one.
 */
const LEAST_AGREEMENT = 40;

const RANDOM_CONFIGURATIONS = 3;

/** Ops that ONNX Runtime's folding, or a quantizer that saturates, may replace. */
const ABSORBED: ReadonlySet<string> = new Set([
  ...["Constant", "Identity", "Dropout", "BatchNormalization", "Pad", "Transpose", "Reshape", "Relu", "Clip"],
  ...["Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "ReduceMean", "HardSwish", "Upsample", "Scatter"],
]);

for (const [kind, fixtures] of Object.entries({
  convolutions,
  products,
  betweenConvolutions,
  structures,
  nestedStructures,
})) {
  describe(`models: ${kind}`, () => {
    for (const fixture of fixtures) test(fixture.name, () => examine(fixture));
  });
}

describe("models: older operator sets, lifted", () => {
  for (const fixture of oldOperatorSets) test(fixture.name, () => examine(fixture));
});

test("a float consumer of a tensor that also moves to a quantized op reads it unrounded", async () => {
  const ready = await readyFixture({
    name: "moved",
    build: () =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", 64]);
        const image = graph.node("Reshape", [x, graph.ints("shape", [0, 1, 8, 8])]);
        graph.output(graph.node("Tanh", [image], {}, { outputs: ["float"] }));
        graph.output(graph.conv(image, [4, 1, 3, 3]));
        graph.output(graph.node("Transpose", [image], { perm: [0, 1, 3, 2] }, { outputs: ["turned"] }));
      }),
  });
  const { model } = ready.quantizer.quantize(ready.subject.space.base);
  const expected = await runModel(ready.float, "disabled", ready.batch);
  const outputs = await runModel(model, "disabled", ready.batch);
  for (const name of ["float", "turned"]) assert.deepEqual(outputs.get(name), expected.get(name));
});

test("a product is ignored by its name from before an Add was fused into it", async () => {
  const fused = products.find(({ name }) => name.startsWith("MatMul and Add"))!;
  const { subject } = await readyFixture(fused);
  const { index, hardware } = subject.view;
  const inFloat = findNodesInFloat(index, hardware, { ignored: { scope: ["fc1"] }, patterns: "runtime" });
  const { ops, unquantizable } = layOutQuantizers({ ...subject.view, inFloat });
  assert.deepEqual(
    [...ops.values()].map(({ name, node }) => [name, node.opType]),
    [["fc2", "Gemm"]],
  );
  assert.deepEqual(reasons(unquantizable), { fc1: "the configuration's `ignored` names it" });
});

async function examine(fixture: ModelFixture): Promise<void> {
  const ready = await readyFixture(fixture);
  const { layout, space } = ready.subject;
  const widest = widestConfiguration(ready.subject);
  const quantized = ready.quantizer.quantize(widest);
  const expected = await runModel(ready.float, "all", ready.batch);
  const fused = await runModel(quantized.model, "all", ready.batch);
  const sqnr = worstSqnr(expected, fused);
  if (fixture.discontinuous !== true) assert.ok(sqnr >= LEAST_SQNR, `the outputs have ${sqnr} dB`);
  assert.deepEqual(reasons(layout.unquantizable), fixture.float ?? {});
  assert.deepEqual(await unfused(ready, quantized), fixture.unfused ?? {});
  assertNamesKept(ready.float, quantized.model);
  assertBodiesUntouched(lifted(fixture), quantized.model);
  await assertConsistent(ready, widest, quantized);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1000), { minLength: space.parameters.length, maxLength: space.parameters.length }),
      async (draws) => {
        const configuration = drawConfiguration(ready.subject, draws);
        const drawn = ready.quantizer.quantize(configuration);
        await assertConsistent(ready, configuration, drawn);
        const exceptions = Object.keys(fixture.unfused ?? {});
        for (const name of Object.keys(await unfused(ready, drawn)))
          assert.ok(exceptions.includes(name), name);
      },
    ),
    { seed: 1, numRuns: RANDOM_CONFIGURATIONS },
  );
}

function reasons(ops: readonly { name: string; reason: string }[]): Record<string, string> {
  return Object.fromEntries(ops.map(({ name, reason }) => [name, reason]));
}

async function unfused({ subject }: ReadyFixture, { model, plan }: QuantizedModel) {
  return reasons((await findIntegerKernels(model, subject.layout, plan, DEFAULT_SESSION)).unfused);
}

/**
 * Checks that outputs are the same with and without fusing, that each quantizer has one scale, and that
 * groups left in float have no quantizer.
 */
async function assertConsistent(
  ready: ReadyFixture,
  configuration: Configuration,
  quantized: QuantizedModel,
): Promise<void> {
  const { model, plan } = quantized;
  const { groups, ops } = ready.subject.layout;
  const fused = await runModel(model, "all", ready.batch);
  const agreement = worstSqnr(await runModel(model, "disabled", ready.batch), fused);
  assert.ok(agreement >= LEAST_AGREEMENT, `fused and unfused agree to ${agreement} dB`);
  const scales = scalesOfQuantizers(ready, model);
  for (const [quantizer, found] of scales) assert.equal(found.size, 1, `${quantizer} has one scale`);
  for (const group of groups.values()) {
    if (configuration[switchName(group.id)] !== false) continue;
    for (const op of group.ops) assert.ok(!plan.ops.has(op), `${op} is off`);
    for (const quantizer of group.activations) assert.ok(!scales.has(quantizer), `${quantizer} is off`);
  }
  const producers = new Map(
    model.graph.node.flatMap((node) => node.output.map((output) => [output, node] as const)),
  );
  const nodes = new Map(model.graph.node.map((node) => [node.name, node]));
  const affineOf = affinesIn(model);
  for (const key of plan.ops) {
    const { name, activations, weight } = ops.get(key)!;
    const node = nodes.get(name)!;
    for (const input of [...activations, ...(weight === undefined ? [] : [weight.input])]) {
      const operand = producers.get(node.input[input]!);
      assert.equal(operand?.opType, "DequantizeLinear", `operand ${input} of ${name}`);
    }
    if (node.opType !== "Concat") continue;
    const around = [
      ...node.input.map((input) => producers.get(input)!),
      ...model.graph.node.filter(({ input }) => input[0] === node.output[0]),
    ];
    assert.equal(new Set(around.map(affineOf)).size, 1, `${name} has one scale on all sides`);
  }
}

/** Returns a function from a QuantizeLinear or DequantizeLinear to its scale and zero point. */
function affinesIn({ graph }: Model): (node: NodeProto) => string {
  const initializers = new Map(graph.initializer.map(({ name, rawData }) => [name, rawData]));
  return ({ input }) =>
    input
      .slice(1)
      .map((name) => Buffer.from(initializers.get(name)!).toString("hex"))
      .join(" ");
}

/** The scales and zero points of each quantizer's activations. */
function scalesOfQuantizers({ subject }: ReadyFixture, model: Model): Map<string, Set<string>> {
  const { quantizerOf } = subject.layout;
  const affineOf = affinesIn(model);
  const scales = new Map<string, Set<string>>();
  for (const node of model.graph.node) {
    if (node.opType !== "QuantizeLinear") continue;
    const codes = node.output[0]!;
    const tensor = codes.replace(/_q$/, "");
    const quantizer = quantizerOf.get(tensor) ?? quantizerOf.get(tensor.replace(/\/\d+$/, ""));
    assert.ok(quantizer !== undefined, `${codes} belongs to a quantizer`);
    scales.set(quantizer, (scales.get(quantizer) ?? new Set()).add(affineOf(node)));
  }
  return scales;
}

function assertNamesKept(float: Model, quantized: Model): void {
  const kept = new Set(quantized.graph.node.map(({ name }) => name));
  for (const { name, opType, domain } of float.graph.node) {
    // The nodes of local functions are replaced by their bodies.
    if (name === "" || domain !== "" || (ABSORBED.has(opType) && !WEIGHTED_TYPES.has(opType))) continue;
    assert.ok(kept.has(name), `node ${name} is kept`);
  }
}

function lifted(fixture: ModelFixture): Model {
  const model = fixture.build();
  liftOpset(model, 13, fixture.name);
  return model;
}

function assertBodiesUntouched(float: Model, quantized: Model): void {
  const bodies = ({ graph }: Model): Map<string, string[]> =>
    new Map(
      graph.node
        .filter((node) => nestedGraphs(node).length > 0)
        .map((node) => [node.name, nestedGraphs(node).flatMap(describeBody)]),
    );
  const written = bodies(quantized);
  for (const [name, expected] of bodies(float)) assert.deepEqual(written.get(name), expected);
}

function describeBody({ node, output }: GraphProto): string[] {
  const describeNode = ({ opType, name, input, output: made }: NodeProto): string =>
    `${opType} ${name} (${input.join(", ")}) -> ${made.join(", ")}`;
  return [...node.map(describeNode), ...output.map(({ name }) => name)];
}
