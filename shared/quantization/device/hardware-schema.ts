import * as z from "zod";
import { PROCESSOR_CLASSES } from "../../runtime/processor-class.js";
import {
  distinct,
  mustBe,
  oneOf,
  section,
  text,
  wholeNumber,
  yesOrNo,
} from "../../validation/requirement.js";

const MOST_SCHEMES = 256;
const MOST_OPERATIONS = 256;
const LONGEST_NAME = 256;

/** The lowest and highest codes that a 16-bit tensor holds, signed or not. */
const LOWEST_LEVEL = -(2 ** 15);
const HIGHEST_LEVEL = 2 ** 16 - 1;

const WIDTHS = [2, 4, 8, 16] as const;

const bits = z.literal(WIDTHS, {
  error: (issue) => mustBe(issue.input, "2, 4, 8 or 16, the widths that a tensor of codes can have"),
});

/**
 * Forms of 8-bit weight codes: signed; signed, with pairs of neighbours that cannot saturate
 * (paired-codes.ts); signed with half the range; unsigned.
 */
export const CODE_FORMS = ["int8", "int8_paired", "int7", "uint8"] as const;

const codeForms = distinct(oneOf(CODE_FORMS), 1, CODE_FORMS.length);

const scheme = section({
  bits: distinct(bits, 1, WIDTHS.length).describe("Widths of the codes."),
  mode: distinct(oneOf(["symmetric", "asymmetric"]), 1, 2).describe("Whether the zero point is fixed."),
  granularity: distinct(oneOf(["pertensor", "perchannel"]), 1, 2).describe(
    "One scale per tensor, or one per channel.",
  ),
  level_low: wholeNumber(LOWEST_LEVEL, 0)
    .optional()
    .describe(
      "Smallest code, where it differs from that of the bit width; a negative one makes activations signed.",
    ),
  level_high: wholeNumber(1, HIGHEST_LEVEL)
    .optional()
    .describe("Largest code, where it differs from that of the bit width."),
  unified_zeropoint: yesOrNo()
    .optional()
    .describe("All channels share one zero point; for asymmetric weights with scales per channel."),
  codes: codeForms
    .optional()
    .describe(
      'Forms of 8-bit codes of weights: int8, int8_paired (two neighbours whose products are summed in 16 bits add up to at most 128), int7 (half the range) or uint8; ["int8"] when left out.',
    ),
}).describe("Ways to quantize a tensor: the product of the lists.");

const schemeNames = z
  .array(text(LONGEST_NAME, "the name of a scheme"), {
    error: (issue) => mustBe(issue.input, "a list of names of schemes"),
  })
  .min(1, { error: "is empty; name a scheme, or remove it" })
  .max(MOST_SCHEMES, { error: `holds more than ${MOST_SCHEMES} names` });

const operation = section({
  types: distinct(text(LONGEST_NAME, "an op type of ONNX, such as Conv"), 1, MOST_OPERATIONS).describe(
    "Op types of ONNX; DepthwiseConv is a Conv whose every channel has a filter of its own.",
  ),
  role: oneOf(["weighted", "follower", "agnostic", "saturating"]).describe(
    "weighted is always quantized; follower only between quantized neighbours, where it avoids a conversion to float; agnostic commutes with quantization, so that its output has the scale of its input; saturating can be replaced by the saturation of a quantizer.",
  ),
  kernel: oneOf(["integer output", "any output", "none"])
    .optional()
    .describe(
      "Whether the device's integer kernel needs a quantized output; none, where it has no such kernel.",
    ),
  saturating: codeForms
    .optional()
    .describe("Forms of weight codes with which the device's integer kernel can saturate."),
  unified: oneOf(["inputs", "inputs and output"]).optional().describe("Tensors that share one scale."),
  inputs: oneOf(["first"])
    .optional()
    .describe("For a follower: only the first input is quantized; all inputs when left out."),
  fused_sum: yesOrNo()
    .optional()
    .describe(
      "For a sum: one input is added to the accumulator of the product that produces it, and has no quantizer.",
    ),
  activations: schemeNames.optional().describe("Schemes of activations, fastest first, most accurate last."),
  weights: schemeNames
    .optional()
    .describe("Schemes of constant operands, fastest first, most accurate last."),
}).describe("How the device quantizes some op types.");

const operations = z
  .array(operation, { error: (issue) => mustBe(issue.input, "a list of operations") })
  .min(1, { error: "is empty, but must hold an operation, such as one for Conv" })
  .max(MOST_OPERATIONS, { error: `holds more than ${MOST_OPERATIONS} operations` })
  .check((context) => {
    const seen = new Set<string>();
    context.value.forEach(({ types, role, activations }, index) => {
      const refuse = (path: PropertyKey[], message: string): void => {
        context.issues.push({ code: "custom", input: context.value, path: [index, ...path], message });
      };
      types.forEach((type, t) => {
        if (seen.has(type)) refuse(["types", t], `is "${type}" a second time; remove it`);
        seen.add(type);
      });
      if ((role === "weighted" || role === "follower") && activations === undefined) {
        refuse(["activations"], `is missing, but a ${role} op needs schemes for its activations`);
      }
    });
  });

/** Schema of a target device's JSON description (docs/reference/algorithms.md, "Hardware description"). */
export const hardwareSchema = section({
  $schema: text(4096, "the address of a JSON Schema").optional().describe("For editors; not used otherwise."),
  device: text(LONGEST_NAME, "the device's name").describe("The name of the device in messages."),
  description: text(4096, "a text").optional(),
  notes: z
    .array(text(4096, "a sentence"), { error: (issue) => mustBe(issue.input, "a list of sentences") })
    .max(64, { error: "holds more than 64 sentences" })
    .optional()
    .describe("Properties of the device that this description cannot express; shown by inspect."),
  processor: oneOf(PROCESSOR_CLASSES)
    .optional()
    .describe(
      "The class of processor whose integer kernels the device has, which determines what can saturate; the class of the machine when left out.",
    ),
  primary_bitwidth: bits
    .default(8)
    .describe("The bit width used where ops that share a tensor have different ones."),
  presets: distinct(oneOf(["performance", "mixed", "accuracy"]), 1, 3)
    .optional()
    .describe("The presets that the device supports; all when left out."),
  schemes: z.record(text(LONGEST_NAME, "the name of a scheme"), scheme, {
    error: (issue) => mustBe(issue.input, "an object of schemes"),
  }),
  operations,
}).check((context) => {
  const { schemes, operations: all } = context.value;
  const refuse = (path: PropertyKey[], message: string): void => {
    context.issues.push({ code: "custom", input: context.value, path, message });
  };
  for (const [name, { bits: widths, level_low, level_high, codes }] of Object.entries(schemes)) {
    if ((level_low === undefined) !== (level_high === undefined)) {
      const lacking = level_low === undefined ? "level_low" : "level_high";
      refuse(
        ["schemes", name, lacking],
        "is missing, but the other end of the levels is given; give both or neither",
      );
    }
    if (codes !== undefined && !widths.every((width) => width === 8)) {
      refuse(["schemes", name, "codes"], "is given, but only codes of 8 bits have several forms; remove it");
    }
    const narrowest = Math.min(...widths);
    if (level_low !== undefined && level_high !== undefined && level_high - level_low >= 2 ** narrowest) {
      refuse(
        ["schemes", name, "level_high"],
        `is ${level_high}, but ${narrowest} bits hold ${2 ** narrowest} codes and level_low is ${level_low}; give at most ${level_low + 2 ** narrowest - 1}`,
      );
    }
  }
  all.forEach((each, index) => {
    for (const tensor of ["activations", "weights"] as const) {
      each[tensor]?.forEach((name, at) => {
        if (Object.hasOwn(schemes, name)) return;
        const known = Object.keys(schemes).join(", ");
        refuse(
          ["operations", index, tensor, at],
          `is "${name}", but the schemes are ${known}; add it there or name one of these`,
        );
      });
    }
  });
});

/** The description of a target device, checked by the schema. */
export type HardwareDocument = z.output<typeof hardwareSchema>;

/** JSON Schema (draft 2020-12) of the JSON description of a target device, for editors and other tools. */
export function hardwareJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(hardwareSchema, { io: "input" }) as Record<string, unknown>;
}
