import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  codeFormOf,
  DEVICE_NAMES,
  type DeviceName,
  forProcessor,
  targetHardware,
} from "../../../shared/quantization/device/hardware.js";
import { hardwareJsonSchema, hardwareSchema } from "../../../shared/quantization/device/hardware-schema.js";

/** All schemes in order, each as a string such as "8 sym tensor". */
function offered(device: DeviceName, type: string, tensor: "activations" | "weights"): string[] {
  return targetHardware(device)
    .schemes(type, tensor)
    .map(({ bits, mode, granularity }) => `${bits} ${mode.slice(0, -6)} ${granularity.slice(3)}`);
}

const A8 = ["8 sym tensor", "8 asym tensor"];
const A8_CHANNEL = ["8 sym channel", "8 asym channel"];
const W8 = ["8 sym channel", "8 asym channel"];
const VPU_A = ["8 asym tensor", "4 sym tensor", "8 asym tensor"];
const VPU_W = ["8 sym channel", "4 sym channel", "2 sym channel", "8 asym channel"];
const VPU_ELEMENTWISE_W = ["8 sym channel", "4 sym tensor", "8 sym channel"];
const A16 = ["16 sym tensor"];
const NONE: string[] = [];

describe("Schemes of each device and op equal those of POT's hardware descriptions", () => {
  const tables: readonly (readonly [
    devices: readonly DeviceName[],
    types: readonly string[],
    activations: readonly string[],
    weights: readonly string[],
  ])[] = [
    [["GPU", "CPU_SPR"], ["Conv", "ConvTranspose", "MatMul", "Gemm"], A8, W8],
    [
      ["GPU", "CPU_SPR"],
      ["Add", "Mul", "Sub", "Div", "Mod", "Max", "Min", "Less", "Equal", "And", "Not"],
      A8,
      W8,
    ],
    [["GPU", "CPU_SPR"], ["DepthwiseConv"], A8_CHANNEL, W8],
    [
      ["GPU", "CPU_SPR"],
      ["Pow", "AveragePool", "LpNormalization", "ReduceMean", "Resize", "MeanVarianceNormalization"],
      A8,
      NONE,
    ],
    [["VPU", "NPU"], ["Conv", "MatMul", "Gemm"], VPU_A, VPU_W],
    [["VPU", "NPU"], ["DepthwiseConv"], ["8 sym channel"], VPU_W],
    [["VPU", "NPU"], ["Add", "Mul", "Max", "Min", "Sub"], VPU_A, VPU_ELEMENTWISE_W],
    [["VPU", "NPU"], ["Less", "Equal", "Div", "Mod", "Or", "Not"], ["8 asym tensor"], ["8 sym channel"]],
    [
      ["VPU", "NPU"],
      ["Pow", "LpNormalization", "Resize", "MeanVarianceNormalization"],
      ["8 asym tensor"],
      NONE,
    ],
    [["VPU", "NPU"], ["AveragePool", "ReduceMean"], ["8 sym channel"], NONE],
    [["VPU"], ["ConvTranspose"], NONE, NONE],
    [["NPU"], ["ConvTranspose"], ["8 asym tensor"], ["8 asym tensor"]],
    [["NPU"], ["Concat"], ["8 asym tensor"], NONE],
    [["GNA"], ["Conv"], A16, A16],
    [["GNA3"], ["Conv"], ["8 sym tensor", "16 sym tensor"], ["8 sym channel", "16 sym tensor"]],
    [["GNA", "GNA3"], ["MatMul", "Gemm", "Mul"], A16, ["8 sym channel", "16 sym tensor"]],
    [["GNA", "GNA3"], ["Add", "Sub"], A16, A16],
    [["GNA", "GNA3"], ["AveragePool", "ReduceMean"], A16, NONE],
  ];
  for (const [devices, types, activations, weights] of tables) {
    for (const device of devices) {
      test(`${device}: ${types.join(", ")}`, () => {
        for (const type of types) {
          assert.deepEqual(offered(device, type, "activations"), activations, type);
          assert.deepEqual(offered(device, type, "weights"), weights, type);
        }
      });
    }
  }

  test("levels: narrow weights, and 16 bits or 255 levels of GNA's activations", () => {
    const levels = (device: DeviceName, type: string, tensor: "activations" | "weights") =>
      targetHardware(device)
        .schemes(type, tensor)
        .map((scheme) =>
          scheme.levels === undefined ? "default" : `${scheme.levels.low}..${scheme.levels.high}`,
        );
    assert.deepEqual(levels("GPU", "Conv", "weights"), ["-127..127", "default"]);
    assert.deepEqual(levels("GNA3", "Conv", "activations"), ["-127..127", "-32768..32767"]);
    assert.deepEqual(levels("GNA", "MatMul", "weights"), ["-127..127", "-32767..32767"]);
    assert.deepEqual(new Set(levels("VPU", "Conv", "weights")), new Set(["default"]));
  });

  test("unified: Concat on CPU, GPU and NPU, element-wise ops on VPU and NPU, zero points of channels on VPU", () => {
    const unified = (device: DeviceName, type: string) => targetHardware(device).operation(type)?.unified;
    for (const device of ["ANY", "CPU", "GPU", "NPU"] as const) {
      assert.equal(unified(device, "Concat"), "inputs and output");
    }
    for (const device of ["VPU", "NPU"] as const) {
      for (const type of ["Add", "Mul", "Max", "Min", "Sub", "Div", "Less"])
        assert.equal(unified(device, type), "inputs");
      const shared = targetHardware(device)
        .schemes("Conv", "weights")
        .map((scheme) => scheme.unifiedZeroPoint);
      assert.deepEqual(shared, [undefined, undefined, undefined, true]);
    }
    assert.equal(unified("GPU", "Add"), undefined);
  });

  test("the primary width is 8, on GNA 16", () => {
    for (const device of DEVICE_NAMES) {
      assert.equal(targetHardware(device).primaryBitwidth, device.startsWith("GNA") ? 16 : 8);
    }
  });
});

describe("The description of CPU follows ONNX Runtime's kernels, unlike POT's", () => {
  test("weights have 4 bits as well as 8, neither first nor last", () => {
    const weights = offered("CPU", "Conv", "weights");
    assert.ok(weights.includes("4 sym channel") && weights.includes("4 asym channel"));
    assert.match(weights[0]!, /^8 sym/);
    assert.match(weights.at(-1)!, /^8 asym/);
  });

  test("activations have 8 bits and one scale per tensor", () => {
    for (const type of ["Conv", "MatMul", "Gemm", "Add", "Concat"]) {
      assert.deepEqual(offered("CPU", type, "activations"), A8);
    }
  });
});

describe("The classes of processors", () => {
  const documents = Object.fromEntries(
    (["CPU_VNNI", "CPU_AVX2", "CPU_ARM64", "ANY"] as const).map((device) => [device, targetHardware(device)]),
  );
  const forms = (device: string, type: string): string[] => [
    ...new Set(
      documents[device]!.schemes(type, "weights")
        .filter(({ bits }) => bits === 8)
        .map(codeFormOf),
    ),
  ];

  test("differ only in the forms of 8-bit codes, except that sums are left in float on ANY", () => {
    assert.equal(targetHardware("ANY").operation("Add"), undefined);
    const types = ["Conv", "Gemm", "MatMul", "ConvTranspose", "Add", "Concat", "MaxPool", "Relu"];
    for (const device of ["CPU_AVX2", "CPU_ARM64", "ANY"] as const) {
      for (const type of types.filter((each) => device !== "ANY" || each !== "Add")) {
        const [own, exact] = [documents[device]!, documents.CPU_VNNI!].map(
          (hardware) => hardware.operation(type)!,
        );
        assert.deepEqual(
          [own!.role, own!.kernel, own!.unified],
          [exact!.role, exact!.kernel, exact!.unified],
          `${device} ${type}`,
        );
        assert.deepEqual(
          [...new Set(offered(device, type, "weights"))],
          offered("CPU_VNNI", type, "weights"),
          `${device} ${type}`,
        );
        assert.deepEqual(
          offered(device, type, "activations"),
          offered("CPU_VNNI", type, "activations"),
          `${device} ${type}`,
        );
      }
    }
  });

  test("list the forms that their kernels support, fastest first; ops that are exact everywhere have one", () => {
    for (const type of ["Conv", "Gemm", "MatMul"]) {
      assert.deepEqual(forms("CPU_AVX2", type), ["int8", "int8_paired", "int7", "uint8"], type);
      assert.deepEqual(forms("ANY", type), ["int8_paired", "int7", "uint8"], type);
      assert.deepEqual(forms("CPU_VNNI", type), ["int8"], type);
      assert.deepEqual(forms("CPU_ARM64", type), ["int8"], type);
    }
    for (const device of ["CPU_AVX2", "ANY"]) {
      for (const type of ["DepthwiseConv", "ConvTranspose"])
        assert.deepEqual(forms(device, type), ["int8"], type);
    }
  });

  test("CPU and descriptions without a processor get the class of the machine", () => {
    assert.equal(forProcessor("CPU", "CPU_AVX2"), "CPU_AVX2");
    assert.equal(forProcessor("ANY", "CPU_AVX2"), "ANY");
    assert.equal(forProcessor("CPU_VNNI", "CPU_AVX2"), "CPU_VNNI");
    const own = hardwareSchema.parse({
      device: "MINE",
      schemes: { q8: { bits: [8], mode: ["symmetric"], granularity: ["pertensor"] } },
      operations: [{ types: ["Conv"], role: "weighted", activations: ["q8"], weights: ["q8"] }],
    });
    assert.deepEqual(forProcessor(own, "CPU_ARM64"), { ...own, processor: "CPU_ARM64" });
    const named = { ...own, processor: "CPU_VNNI" as const };
    assert.deepEqual(forProcessor(named, "CPU_AVX2"), named);
  });
});

describe("Hardware files", () => {
  const SOUND = {
    device: "MINE",
    schemes: { q8: { bits: [8], mode: ["symmetric"], granularity: ["pertensor"] } },
    operations: [{ types: ["Conv"], role: "weighted", activations: ["q8"], weights: ["q8"] }],
  };
  const refused = (changes: object): string => {
    const { error } = hardwareSchema.safeParse({ ...SOUND, ...changes });
    const issue = error?.issues[0];
    return issue === undefined ? "" : `${issue.path.join(".")} ${issue.message}`;
  };

  test("with only the required keys are accepted", () => {
    assert.equal(refused({}), "");
  });

  const q8 = SOUND.schemes.q8;
  const [conv] = SOUND.operations;
  for (const [title, changes, message] of [
    [
      "an op type listed twice",
      { operations: [conv, { types: ["Add", "Conv"], role: "agnostic" }] },
      'operations.1.types.1 is "Conv" a second time; remove it',
    ],
    [
      "a weighted op without activations",
      { operations: [{ types: ["Conv"], role: "weighted", weights: ["q8"] }] },
      "operations.0.activations is missing, but a weighted op needs schemes for its activations",
    ],
    [
      "one end of the levels",
      { schemes: { q8: { ...q8, level_low: -127 } } },
      "schemes.q8.level_high is missing, but the other end of the levels is given; give both or neither",
    ],
    [
      "more levels than codes",
      { schemes: { q8: { ...q8, bits: [8, 4], level_low: -8, level_high: 8 } } },
      "schemes.q8.level_high is 8, but 4 bits hold 16 codes and level_low is -8; give at most 7",
    ],
    [
      "no operations",
      { operations: [] },
      "operations is empty, but must hold an operation, such as one for Conv",
    ],
  ] as const) {
    test(`with ${title} are refused`, () => assert.equal(refused(changes), message));
  }

  test("have a JSON Schema that closes every object", () => {
    const schema = JSON.stringify(hardwareJsonSchema());
    assert.match(schema, /"enum":\["weighted","follower","agnostic","saturating"\]/);
    assert.equal(schema.split('"additionalProperties":false').length, schema.split('"properties"').length);
  });
});
