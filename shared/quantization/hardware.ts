import * as z from "zod";
import cpu from "./hardware/cpu.json" with { type: "json" };

const modeSchema = z.enum(["symmetric", "asymmetric"]);
const granularitySchema = z.enum(["pertensor", "perchannel"]);

export type Mode = z.infer<typeof modeSchema>;
export type Granularity = z.infer<typeof granularitySchema>;

const schemeSchema = z.strictObject({
  bits: z.array(z.union([z.literal(2), z.literal(4), z.literal(8), z.literal(16)])).min(1),
  mode: z.array(modeSchema).min(1),
  granularity: z.array(granularitySchema).min(1),
});

/**
 * What a device can do with an operator:
 * `weighted` is quantized wherever it stands; `follower` only between quantized neighbours, where it spares a
 * way through float; `agnostic` commutes with quantization, so its output has its input's scale; `saturating`
 * is what a quantizer's own saturation can stand for.
 */
const operationSchema = z.strictObject({
  types: z.array(z.string()).min(1),
  role: z.enum(["weighted", "follower", "agnostic", "saturating"]),
  /** Whether the device has an integer kernel, and whether that needs a quantized output. */
  kernel: z.enum(["integer output", "any output", "none"]).optional(),
  /** All inputs and the output share one scale. */
  unified: z.boolean().optional(),
  activations: z.array(z.string()).optional(),
  weights: z.array(z.string()).optional(),
});

const hardwareSchema = z.strictObject({
  device: z.string(),
  description: z.string().optional(),
  schemes: z.record(z.string(), schemeSchema),
  operations: z.array(operationSchema),
});

export type Operation = z.infer<typeof operationSchema>;
export type Kernel = NonNullable<Operation["kernel"]>;

/** How one tensor may be quantized. */
export interface Scheme {
  readonly bits: 2 | 4 | 8 | 16;
  readonly mode: Mode;
  readonly granularity: Granularity;
}

/**
 * A target device's description. Lists are ordered: the first scheme is the fastest, the last the most accurate
 * (reference section 3.2).
 */
export class Hardware {
  readonly device: string;
  readonly #operations = new Map<string, Operation>();
  readonly #schemes: z.infer<typeof hardwareSchema>["schemes"];

  constructor(document: unknown) {
    const parsed = hardwareSchema.parse(document);
    this.device = parsed.device;
    this.#schemes = parsed.schemes;
    for (const operation of parsed.operations) {
      for (const type of operation.types) this.#operations.set(type, operation);
    }
  }

  operation(type: string): Operation | undefined {
    return this.#operations.get(type);
  }

  /** Every way to quantize an operator's activations or weights: the product of each scheme's fields, in order. */
  schemes(type: string, tensor: "activations" | "weights"): Scheme[] {
    const names = this.#operations.get(type)?.[tensor] ?? [];
    return names.flatMap((name) => {
      const { bits, mode, granularity } = this.#schemes[name]!;
      return bits.flatMap((b) =>
        mode.flatMap((m) => granularity.map((g) => ({ bits: b, mode: m, granularity: g }))),
      );
    });
  }
}

const CPU = new Hardware(cpu);

/** @param device `target_device` of the configuration; ANY is CPU (reference section 8) */
export function targetHardware(device: "ANY" | "CPU"): Hardware {
  switch (device) {
    case "ANY":
    case "CPU":
      return CPU;
  }
}
