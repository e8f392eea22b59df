import type { ProcessorClass } from "../../runtime/processor-class.js";
import any from "./hardware/any.json" with { type: "json" };
import cpuArm64 from "./hardware/cpu_arm64.json" with { type: "json" };
import cpuAvx2 from "./hardware/cpu_avx2.json" with { type: "json" };
import cpuSpr from "./hardware/cpu_spr.json" with { type: "json" };
import cpuVnni from "./hardware/cpu_vnni.json" with { type: "json" };
import gna from "./hardware/gna.json" with { type: "json" };
import gna3 from "./hardware/gna3.json" with { type: "json" };
import gpu from "./hardware/gpu.json" with { type: "json" };
import npu from "./hardware/npu.json" with { type: "json" };
import vpu from "./hardware/vpu.json" with { type: "json" };
import { type CODE_FORMS, type HardwareDocument, hardwareSchema } from "./hardware-schema.js";
import type { Width } from "./width.js";

export type Operation = HardwareDocument["operations"][number];
export type Kernel = NonNullable<Operation["kernel"]>;
export type Mode = SchemeLists["mode"][number];
export type Granularity = SchemeLists["granularity"][number];
/** The form of 8-bit weight codes, such as signed or unsigned. */
export type CodeForm = (typeof CODE_FORMS)[number];
export type PresetName = "performance" | "mixed" | "accuracy";

type SchemeLists = HardwareDocument["schemes"][string];

/** A scheme: one way to quantize a tensor, without its range. */
export interface Scheme {
  readonly bits: 2 | 4 | 8 | 16;
  readonly mode: Mode;
  readonly granularity: Granularity;
  /** Smallest and largest code, where they differ from those of the bit width. */
  readonly levels?: { readonly low: number; readonly high: number };
  /** Whether all channels share one zero point. */
  readonly unifiedZeroPoint?: true;
  /** For 8-bit weights: the form of their codes where it is not plain INT8. */
  readonly codes?: Exclude<CodeForm, "int8">;
}

/** The form of the 8-bit weight codes of a scheme; plain INT8 when left out. */
export function codeFormOf({ codes }: Pick<Scheme, "codes">): CodeForm {
  return codes ?? "int8";
}

/** The same scheme with another form of its 8-bit weight codes. */
export function withCodeForm({ codes: _, ...scheme }: Scheme, form: CodeForm): Scheme {
  return form === "int8" ? scheme : { ...scheme, codes: form };
}

/** The width of a scheme: its bits, or its number of levels where that differs from all codes of the bits. */
export function widthOf({ bits, levels }: Pick<Scheme, "bits" | "levels">): Width {
  return levels === undefined ? bits : { levels: levels.high - levels.low + 1 };
}

/**
 * A target device's description, with look-ups (docs/reference/algorithms.md, "Hardware description"). Lists of
 * schemes (ways to quantize a tensor) are ordered: the first is the fastest, the last the most accurate.
 */
export class Hardware {
  readonly device: string;
  readonly primaryBitwidth: Scheme["bits"];
  readonly presets: readonly PresetName[];
  /**
   * The class of processor whose integer kernels the device has; `undefined` where the description names none:
   * no kernel is then taken to saturate.
   */
  readonly processor: ProcessorClass | undefined;
  /** Properties of the device that the description cannot express, as sentences. */
  readonly notes: readonly string[];
  readonly #operations = new Map<string, Operation>();
  readonly #schemes: HardwareDocument["schemes"];

  constructor(document: HardwareDocument) {
    this.device = document.device;
    this.primaryBitwidth = document.primary_bitwidth;
    this.presets = document.presets ?? ["performance", "mixed", "accuracy"];
    this.processor = document.processor;
    this.notes = document.notes ?? [];
    this.#schemes = document.schemes;
    for (const operation of document.operations) {
      for (const type of operation.types) this.#operations.set(type, operation);
    }
  }

  operation(type: string): Operation | undefined {
    return this.#operations.get(type);
  }

  /**
   * All schemes (ways to quantize a tensor) for the activations or weights of an op type: the Cartesian
   * products of the schemes' lists, in order.
   */
  schemes(type: string, tensor: "activations" | "weights"): Scheme[] {
    const names = this.#operations.get(type)?.[tensor] ?? [];
    return names.flatMap((name) => expand(this.#schemes[name]!));
  }
}

function expand({
  bits,
  mode,
  granularity,
  level_low,
  level_high,
  unified_zeropoint,
  codes = ["int8"],
}: SchemeLists): Scheme[] {
  const levels =
    level_low === undefined || level_high === undefined
      ? {}
      : { levels: { low: level_low, high: level_high } };
  const zeroPoint = unified_zeropoint === true ? { unifiedZeroPoint: true as const } : {};
  return bits.flatMap((b) =>
    mode.flatMap((m) =>
      granularity.flatMap((g) => {
        const scheme = { bits: b, mode: m, granularity: g, ...levels, ...zeroPoint };
        return codes.map((form) => withCodeForm(scheme, form));
      }),
    ),
  );
}

const FILES = {
  ANY: any,
  CPU: cpuVnni,
  CPU_VNNI: cpuVnni,
  CPU_AVX2: cpuAvx2,
  CPU_ARM64: cpuArm64,
  GPU: gpu,
  VPU: vpu,
  NPU: npu,
  GNA: gna,
  GNA3: gna3,
  CPU_SPR: cpuSpr,
} as const;

export type DeviceName = keyof typeof FILES;

/** Names of the target devices whose descriptions are part of quantfleet. */
export const DEVICE_NAMES = Object.keys(FILES) as [DeviceName, ...DeviceName[]];

export function isDeviceName(name: string): name is DeviceName {
  return Object.hasOwn(FILES, name);
}

/** A target device: the name of one whose description is built in, or a description. */
export type TargetDevice = DeviceName | HardwareDocument;

const known = new Map<DeviceName, Hardware>();

/**
 * Returns the description of a target device.
 *
 * @param device `target_device` of the configuration; CPU means a processor with exact kernels, until
 *   `forProcessor` replaces it by the class of the scoring machine
 */
export function targetHardware(device: TargetDevice): Hardware {
  if (typeof device !== "string") return new Hardware(device);
  let hardware = known.get(device);
  if (hardware === undefined) {
    hardware = new Hardware(hardwareSchema.parse(FILES[device]));
    known.set(device, hardware);
  }
  return hardware;
}

/** The device with the machine's processor class filled in, for CPU and for descriptions that name no class. */
export function forProcessor(device: TargetDevice, processor: ProcessorClass): TargetDevice {
  if (typeof device !== "string") return { ...device, processor: device.processor ?? processor };
  return device === "CPU" ? processor : device;
}
