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
/** How 8-bit codes of weights are written. */
export type CodeForm = (typeof CODE_FORMS)[number];
export type PresetName = "performance" | "mixed" | "accuracy";

type SchemeLists = HardwareDocument["schemes"][string];

/** How one tensor may be quantized. */
export interface Scheme {
  readonly bits: 2 | 4 | 8 | 16;
  readonly mode: Mode;
  readonly granularity: Granularity;
  /** The smallest and largest signed code, where they are not those of the width (reference section 4.5). */
  readonly levels?: { readonly low: number; readonly high: number };
  /** All channels share one zero point (reference section 4.6). */
  readonly unifiedZeroPoint?: true;
  /** Of 8-bit weights: the form of their codes where it is not plain INT8. */
  readonly codes?: Exclude<CodeForm, "int8">;
}

/** The form of a scheme's codes. */
export function codeFormOf({ codes }: Pick<Scheme, "codes">): CodeForm {
  return codes ?? "int8";
}

/** A scheme with its codes in another form. */
export function withCodeForm({ codes: _, ...scheme }: Scheme, form: CodeForm): Scheme {
  return form === "int8" ? scheme : { ...scheme, codes: form };
}

/** How many codes a scheme has. */
export function widthOf({ bits, levels }: Pick<Scheme, "bits" | "levels">): Width {
  return levels === undefined ? bits : { levels: levels.high - levels.low + 1 };
}

/**
 * A target device's description. Lists are ordered: the first scheme is the fastest, the last the most accurate
 * (reference section 3.2).
 */
export class Hardware {
  readonly device: string;
  readonly primaryBitwidth: Scheme["bits"];
  readonly presets: readonly PresetName[];
  /** The class of processor whose kernels it has; `undefined` where none of them can saturate. */
  readonly processor: ProcessorClass | undefined;
  /** What of the device cannot be expressed. */
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

  /** Every way to quantize an operator's activations or weights: the product of each scheme's fields, in order. */
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

/** The target devices that come with quantfleet. */
export const DEVICE_NAMES = Object.keys(FILES) as [DeviceName, ...DeviceName[]];

export function isDeviceName(name: string): name is DeviceName {
  return Object.hasOwn(FILES, name);
}

/** A device by its name, or the description of one. */
export type TargetDevice = DeviceName | HardwareDocument;

const known = new Map<DeviceName, Hardware>();

/**
 * @param device `target_device` of the configuration; CPU stands for a processor whose kernels are exact until
 * `forProcessor` has put the class of the machine that scores in its place
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

/** The device itself, on machines of a class: CPU is that class, and so is a file of one's own that names none. */
export function forProcessor(device: TargetDevice, processor: ProcessorClass): TargetDevice {
  if (typeof device !== "string") return { ...device, processor: device.processor ?? processor };
  return device === "CPU" ? processor : device;
}
