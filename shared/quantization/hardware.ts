import cpu from "./hardware/cpu.json" with { type: "json" };
import cpuSpr from "./hardware/cpu_spr.json" with { type: "json" };
import gna from "./hardware/gna.json" with { type: "json" };
import gna3 from "./hardware/gna3.json" with { type: "json" };
import gpu from "./hardware/gpu.json" with { type: "json" };
import npu from "./hardware/npu.json" with { type: "json" };
import vpu from "./hardware/vpu.json" with { type: "json" };
import { type HardwareDocument, hardwareSchema } from "./hardware-schema.js";
import type { Width } from "./range.js";

export type Operation = HardwareDocument["operations"][number];
export type Kernel = NonNullable<Operation["kernel"]>;
export type Mode = SchemeLists["mode"][number];
export type Granularity = SchemeLists["granularity"][number];
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
  /** What of the device cannot be expressed. */
  readonly notes: readonly string[];
  readonly #operations = new Map<string, Operation>();
  readonly #schemes: HardwareDocument["schemes"];

  constructor(document: HardwareDocument) {
    this.device = document.device;
    this.primaryBitwidth = document.primary_bitwidth;
    this.presets = document.presets ?? ["performance", "mixed", "accuracy"];
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
}: SchemeLists): Scheme[] {
  const levels =
    level_low === undefined || level_high === undefined
      ? {}
      : { levels: { low: level_low, high: level_high } };
  const zeroPoint = unified_zeropoint === true ? { unifiedZeroPoint: true as const } : {};
  return bits.flatMap((b) =>
    mode.flatMap((m) =>
      granularity.map((g) => ({ bits: b, mode: m, granularity: g, ...levels, ...zeroPoint })),
    ),
  );
}

const FILES = {
  ANY: cpu,
  CPU: cpu,
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

/** @param device `target_device` of the configuration; ANY is CPU (reference section 8) */
export function targetHardware(device: TargetDevice): Hardware {
  if (typeof device !== "string") return new Hardware(device);
  let hardware = known.get(device);
  if (hardware === undefined) {
    hardware = new Hardware(hardwareSchema.parse(FILES[device]));
    known.set(device, hardware);
  }
  return hardware;
}
