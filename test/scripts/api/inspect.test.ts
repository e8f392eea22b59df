import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { inspect } from "../../../scripts/api/inspect.js";
import { describeDerivation } from "../../../scripts/cli/display/derivation-text.js";
import { validateConfiguration } from "../../../shared/configuration/parse.js";
import { quantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { deriveSpace } from "../../../shared/quantization/space/space.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { prepareSmallNet, smallNet } from "../../quantization/small-net.js";

const CONFIGURATION: RunConfigurationInput = {
  model: { model: "net.onnx" },
  engine: {},
  compression: {
    algorithms: [
      {
        name: "TunableQuantization",
        params: {
          tuning_scope: ["layer", "mode", "range_estimator"],
          estimator_tuning_scope: ["preset"],
          weights: { granularity: "pertensor" },
          ignored: { scope: ["left"] },
        },
      },
    ],
  },
};

describe("inspect with a configuration and a group", () => {
  let folder: string;
  let path: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-inspect-"));
    path = join(folder, "net.onnx");
    await writeFile(path, encodeModel(smallNet()));
  });

  after(() => rm(folder, { recursive: true }));

  const ask = (group: string) => inspect(path, { configuration: { configuration: CONFIGURATION }, group });

  test("derives the choices by the code that makes the search space", async () => {
    const { derivation, groups } = await ask("stem_relu");
    const { configuration } = validateConfiguration(CONFIGURATION, { directory: folder });
    const { layout, hardware, settings } = makeSubject(
      await prepareSmallNet(),
      quantizationSettings(configuration),
    );
    const { parameters } = deriveSpace(layout, hardware, settings.options);
    assert.deepEqual(
      derivation?.parameters,
      parameters.filter(({ group }) => group === derivation?.group),
    );
    assert.deepEqual(
      groups.map(({ group }) => group),
      [derivation?.group],
    );
  });

  test("names the consumers, what pinned fields remove, and what is out of scope", async () => {
    const { derivation } = await ask("depthwise");
    const weight = derivation?.tensors.find(({ id }) => id === "depthwise.weight");
    assert.deepEqual(
      weight?.schemes.candidates.map(({ op, type }) => `${type} ${op}`),
      ["Conv depthwise"],
    );
    assert.ok(weight.schemes.removed.length > 0);
    for (const { scheme, because } of weight.schemes.removed) {
      assert.deepEqual([scheme.granularity, because], ["perchannel", "pinned"]);
    }
    assert.deepEqual(
      weight.kept.map(({ bits, mode }) => [bits, mode]),
      [
        [8, "symmetric"],
        [8, "asymmetric"],
      ],
    );
    assert.ok(
      weight.dropped.every(({ scheme, outOfScope }) => scheme.bits !== 8 && outOfScope.includes("bits")),
    );
  });

  test("as text has a line for each step, and none with undefined", async () => {
    const { derivation, groups } = await ask("depthwise.weight");
    const text = describeDerivation(groups[0]!, derivation!);
    for (const line of [
      /^Weight depthwise\.weight$/m,
      /^ {2}hardware {6}Conv depthwise: 8 sym\/channel, 8 sym\/tensor/m,
      /^ {2}removed {7}8 sym\/channel \(pinned\)$/m,
      /^ {2}preset {8}8 sym\/tensor$/m,
      /^ {2}in scope {6}8 sym\/tensor, 8 asym\/tensor$/m,
      /^ {2}estimator {5}symmetric: max abs_max$/m,
      /depthwise\.weight\/weights\/mode: symmetric, asymmetric \(when .*\/quantize is true\)$/m,
    ]) {
      assert.match(text, line);
    }
    assert.doesNotMatch(text, /undefined|NaN|\[object/);
  });

  test("shows which weights get 7-bit codes from the saturation fix", async () => {
    const params = { tuning_scope: ["mode" as const], saturation_fix: "first_layer" as const };
    const configuration = {
      ...CONFIGURATION,
      compression: { algorithms: [{ name: "TunableQuantization" as const, params }] },
    };
    const asked = (group: string) => inspect(path, { configuration: { configuration }, group });
    const forms = async (group: string, weight: string) =>
      (await asked(group)).groups[0]!.tensors.find(({ tensor }) => tensor === weight)?.choices.map(
        ({ mode, codes }) => [mode, codes],
      );
    assert.deepEqual(await forms("stem", "stem.weight"), [
      ["symmetric", "int7"],
      ["asymmetric", "int7"],
    ]);
    assert.deepEqual(await forms("depthwise", "depthwise.weight"), [
      ["symmetric", undefined],
      ["asymmetric", undefined],
    ]);
    const { derivation, groups } = await asked("stem.weight");
    assert.match(
      describeDerivation(groups[0]!, derivation!),
      /^ {2}removed {7}.*8 sym\/channel \(saturation_fix: it can saturate\)$/m,
    );
  });

  test("omits ops that the configuration ignores", async () => {
    const { unquantizable } = await ask("right");
    assert.deepEqual(unquantizable, [
      { name: "left", type: "Conv", reason: "the configuration's `ignored` names it" },
    ]);
  });

  test("lists only the device's own width for a model that cannot be lifted to the operator set of other widths", async () => {
    const model = buildModel(
      (graph) => {
        const hidden = graph.conv(graph.input("x", ["N", 4, 6, 6]), [4, 4, 1, 1], {}, { name: "first" });
        const inputs = [hidden, graph.random("scale", [2]), graph.random("shift", [2])];
        const normal = graph.node("GroupNormalization", inputs, { num_groups: 2 }, { name: "normal" });
        graph.output(graph.conv(normal, [4, 4, 1, 1], {}, { name: "second" }));
      },
      { opset: 18 },
    );
    const other = join(folder, "group-norm.onnx");
    await writeFile(other, encodeModel(model));
    const { groups, modelNotes } = await inspect(other);
    const widths = groups.flatMap(({ tensors }) =>
      tensors.flatMap(({ choices }) => choices.map(({ bits }) => bits)),
    );
    assert.deepEqual([...new Set(widths)], [8]);
    assert.equal(modelNotes.length, 1);
    assert.match(modelNotes[0]!, /^Tuning scope bits is left out, as .* "normal" is a GroupNormalization/);
    assert.deepEqual((await inspect(path)).modelNotes, []);
  });

  test("an unknown name is refused, naming the nearest one", async () => {
    await assert.rejects(ask("depthwize"), {
      code: "USAGE",
      message:
        '--group is "depthwize", which is no group, nor an op or tensor of one; did you mean "depthwise"?',
    });
    await assert.rejects(ask("nothing like it"), {
      code: "USAGE",
      message: /inspect without it lists them\.$/,
    });
  });

  test("a name in `ignored` that no node has is refused too", async () => {
    const configuration = {
      ...CONFIGURATION,
      compression: {
        algorithms: [{ name: "TunableQuantization", params: { ignored: { scope: ["lefd"] } } }],
      },
    } as RunConfigurationInput;
    await assert.rejects(inspect(path, { configuration: { configuration } }), {
      code: "CONFIGURATION",
      message: /names "lefd", which is no node of .*; did you mean "left"\?$/,
    });
  });
});
