import { ModelError } from "../../basics/errors.js";
import { codeFormOf, type Hardware, type Scheme, widthOf, withCodeForm } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import {
  type ActivationQuantizer,
  type QuantizerLayout,
  readersOf,
  type WeightQuantizer,
} from "../graph/groups.js";
import { canSaturate, hasWideCodes } from "../graph/kernel-saturation.js";
import type { QuantizableOp } from "../graph/quantizable-ops.js";
import type { TensorOverrides, TuningOptions } from "./tuning-options.js";

/**
 * How the schemes (ways to quantize) of one tensor were derived, step by step (docs/reference/algorithms.md,
 * "Presets and schemes").
 */
export interface SchemeDerivation {
  /**
   * The device's schemes for each op that matters: those that read the tensor, or produce it where none reads
   * it.
   */
  readonly candidates: readonly {
    readonly op: string;
    readonly type: string;
    readonly schemes: readonly Scheme[];
  }[];
  /** The schemes that all candidate ops support, in the order of the first op. */
  readonly common: readonly Scheme[];
  /** Whether the ops had no common scheme until weaker variants (one scale per tensor, symmetric) were added. */
  readonly weakened: boolean;
  /** Common schemes that are left out, with the reason. */
  readonly removed: readonly { readonly scheme: Scheme; readonly because: RemovalReason }[];
  /** The schemes that remain for the tensor, to choose from. */
  readonly schemes: readonly Scheme[];
}

/**
 * Why a scheme is left out: the configuration pins another value, the weight has no channel axis,
 * `model_type` requires symmetric mode, or the codes can saturate.
 */
export type RemovalReason = "pinned" | "no channel axis" | "model_type transformer" | "saturates";

/**
 * The schemes of an activation quantizer: those that all ops support which read its tensors (or produce them,
 * where none reads them) and that agree with the configuration's pinned values, in the order of the first op.
 * Where the device offers only scales per channel and a scale per tensor is pinned, the latter is used, as it
 * is a weaker variant.
 *
 * @throws {ModelError} when nothing is left
 */
export function deriveActivationSchemes(
  quantizer: ActivationQuantizer,
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): SchemeDerivation {
  const members = new Set(quantizer.tensors);
  const readers = readersOf(members, layout.ops.values());
  const makers = [...layout.ops.values()].filter((op) => members.has(op.output));
  const ops = readers.length > 0 ? readers : makers;
  const candidates = ops.map((op) => candidate(op, hardware, "activations"));
  const isSymmetric =
    options.symmetricProducts === true &&
    readers.some(isFreeProduct) &&
    candidates.every(({ schemes }) => schemes.some(({ mode }) => mode === "symmetric"));
  const hasChannels = quantizer.channels !== undefined && options.activations.granularity !== "pertensor";
  const lists = candidates.map(({ schemes }) =>
    schemes.map((scheme) => (hasChannels ? scheme : { ...scheme, granularity: "pertensor" as const })),
  );
  return derive(
    hardware,
    candidates,
    intersection(lists, hardware),
    isSymmetric ? { ...options.activations, mode: undefined } : options.activations,
    `The target device ${hardware.device} cannot quantize activation "${quantizer.id}"`,
    {
      because: "model_type transformer",
      isPossible: ({ mode }) => mode === "symmetric" || !isSymmetric,
    },
  );
}

function candidate(
  { name, deviceType, node }: QuantizableOp,
  hardware: Hardware,
  tensor: "activations" | "weights",
): SchemeDerivation["candidates"][number] {
  return { op: name, type: node.opType, schemes: hardware.schemes(deviceType, tensor) };
}

/** Whether an op is a product of two activations, as in attention. */
function isFreeProduct({ node, weight }: QuantizableOp): boolean {
  return node.opType === "MatMul" && weight === undefined;
}

/**
 * The schemes (ways to quantize) of a weight quantizer, with each step of their derivation; without a channel
 * axis only those with one scale per tensor.
 *
 * @throws {ModelError} when nothing is left
 */
export function deriveWeightSchemes(
  quantizer: WeightQuantizer,
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): SchemeDerivation {
  const isPaired = quantizer.inputLayout !== undefined;
  const candidates = quantizer.ops.map((key) => {
    const offered = candidate(layout.ops.get(key)!, hardware, "weights");
    const schemes = offered.schemes.filter(({ codes }) => isPaired || codes !== "int8_paired");
    return { ...offered, schemes };
  });
  const hasChannels = quantizer.channelAxis !== undefined;
  const derived = derive(
    hardware,
    candidates,
    intersection(
      candidates.map(({ schemes }) => schemes),
      hardware,
    ),
    hasChannels ? options.weights : { ...options.weights, granularity: undefined },
    `The target device ${hardware.device} cannot quantize weight "${quantizer.id}"`,
    {
      because: "no channel axis",
      isPossible: ({ granularity }) => granularity === "pertensor" || hasChannels,
    },
  );
  return withSaturationFix(derived, quantizer, layout, hardware);
}

/**
 * Removes the schemes that the saturation fix does not allow (their codes can overflow 16-bit sums). They are
 * replaced by the same scheme with exact codes where the device offers that, and otherwise with 7-bit codes.
 */
function withSaturationFix(
  derivation: SchemeDerivation,
  { ops, saturationFix }: WeightQuantizer,
  layout: QuantizerLayout,
  { processor }: Hardware,
): SchemeDerivation {
  const isLeftOut = (scheme: Scheme): boolean => {
    switch (saturationFix) {
      case undefined:
        return false;
      case "seven bits":
        return hasWideCodes(scheme);
      case "exact":
        return (
          processor !== undefined && ops.some((key) => canSaturate(layout.ops.get(key)!, scheme, processor))
        );
    }
  };
  const removed = derivation.schemes.filter(isLeftOut);
  if (removed.length === 0) return derivation;
  const kept = derivation.schemes.filter((scheme) => !isLeftOut(scheme));
  const isKept = (left: Scheme): boolean =>
    saturationFix === "exact" &&
    kept.some((scheme) => isSame(withCodeForm(scheme, "int8"), withCodeForm(left, "int8")));
  const inOtherForms = derivation.schemes.flatMap((scheme) => {
    if (!isLeftOut(scheme)) return [scheme];
    return isKept(scheme) ? [] : [withCodeForm(scheme, "int7")];
  });
  return {
    ...derivation,
    removed: [...derivation.removed, ...removed.map((scheme) => ({ scheme, because: "saturates" as const }))],
    schemes: distinct(inOtherForms),
  };
}

export function activationSchemes(...tensor: Parameters<typeof deriveActivationSchemes>): readonly Scheme[] {
  return deriveActivationSchemes(...tensor).schemes;
}

export function weightSchemes(...tensor: Parameters<typeof deriveWeightSchemes>): readonly Scheme[] {
  return deriveWeightSchemes(...tensor).schemes;
}

function derive(
  hardware: Hardware,
  candidates: SchemeDerivation["candidates"],
  { common, weakened }: Pick<SchemeDerivation, "common" | "weakened">,
  overrides: TensorOverrides,
  what: string,
  demand: {
    readonly because: Exclude<RemovalReason, "pinned">;
    readonly isPossible: (scheme: Scheme) => boolean;
  },
): SchemeDerivation {
  const possible = common.filter(demand.isPossible);
  const schemes = pinned(possible, overrides, what, hardware);
  const removed = common
    .filter((scheme) => !schemes.includes(scheme))
    .map((scheme) => ({ scheme, because: possible.includes(scheme) ? ("pinned" as const) : demand.because }));
  const levelled = schemes.map((scheme) => ({ ...scheme, ...pinnedLevels(overrides) }));
  return { candidates, common, weakened, removed, schemes: levelled };
}

/**
 * The scheme of one tensor that a preset chooses: `performance` takes the first, `accuracy` the last, `mixed`
 * the first for weights and the last for activations (docs/reference/algorithms.md, "Presets and schemes").
 * From the last scheme only mode and width are taken, with the first granularity that goes with them. Fewer
 * bits than the device's primary width are used only where they are pinned or nothing else is left.
 */
export function baseScheme(
  schemes: readonly Scheme[],
  tensor: "activations" | "weights",
  options: TuningOptions,
  { primaryBitwidth }: Hardware,
): Scheme {
  const { preset } = options;
  const wide = schemes.filter(({ bits }) => bits >= primaryBitwidth);
  const candidates = options[tensor].bits === undefined && wide.length > 0 ? wide : schemes;
  const first = candidates[0]!;
  const last = candidates.at(-1)!;
  const accurate = candidates.find(({ bits, mode }) => bits === last.bits && mode === last.mode) ?? last;
  switch (preset) {
    case "performance":
      return first;
    case "mixed":
      return tensor === "weights" ? first : accurate;
    case "accuracy":
      return accurate;
  }
}

/**
 * The schemes that all lists have in common, in the order of the first list. Where there is none, weaker
 * variants of each list's schemes are added: one scale per tensor, symmetric, or both. Where there is still
 * none, different widths are resolved to the device's primary width if one side has it, otherwise to the
 * smaller one (docs/reference/algorithms.md, "Unified scales").
 */
function intersection(
  lists: readonly (readonly Scheme[])[],
  { primaryBitwidth }: Hardware,
): Pick<SchemeDerivation, "common" | "weakened"> {
  const common = inAll(lists);
  if (common.length > 0 || lists.length === 0) return { common, weakened: false };
  const weaker = lists.map(withWeakerVariants);
  const weakened = inAll(weaker);
  if (weakened.length > 0) return { common: weakened, weakened: true };
  const resolved = lists.reduce((a, b) => withResolvedWidths(a, b, primaryBitwidth));
  const most =
    resolved.length > 0 ? resolved : weaker.reduce((a, b) => withResolvedWidths(a, b, primaryBitwidth));
  return { common: most, weakened: true };
}

function inAll([first = [], ...others]: readonly (readonly Scheme[])[]): Scheme[] {
  return first.filter((scheme) => others.every((list) => list.some((other) => isSame(other, scheme))));
}

function withResolvedWidths(
  schemes: readonly Scheme[],
  others: readonly Scheme[],
  primary: Scheme["bits"],
): Scheme[] {
  const resolved = schemes.flatMap((scheme) =>
    others
      .filter(({ mode, granularity }) => mode === scheme.mode && granularity === scheme.granularity)
      .map((other) => {
        if (scheme.bits === primary || other.bits === primary)
          return scheme.bits === primary ? scheme : other;
        return scheme.bits < other.bits ? scheme : other;
      }),
  );
  return distinct(resolved);
}

function withWeakerVariants(schemes: readonly Scheme[]): Scheme[] {
  const variants = schemes.flatMap((scheme): Scheme[] => [
    { ...scheme, granularity: "pertensor" },
    { ...scheme, mode: "symmetric" },
    { ...scheme, mode: "symmetric", granularity: "pertensor" },
  ]);
  return distinct([...schemes, ...variants]);
}

/** Removes duplicate schemes, keeping first occurrences. */
export function distinct(schemes: readonly Scheme[]): Scheme[] {
  return schemes.filter((scheme, i) => schemes.findIndex((other) => isSame(other, scheme)) === i);
}

function isSame(a: Scheme, b: Scheme): boolean {
  return (
    a.bits === b.bits &&
    a.mode === b.mode &&
    a.granularity === b.granularity &&
    codeFormOf(a) === codeFormOf(b)
  );
}

function pinnedLevels({ levels }: TensorOverrides): Pick<Scheme, "levels"> {
  return levels === undefined ? {} : { levels };
}

/**
 * The 8-bit schemes with the form of codes that the configuration pins, and all others; all where no scheme has
 * it, as for depthwise convolutions.
 */
function withPinnedCodes(schemes: Scheme[], { codes }: TensorOverrides): Scheme[] {
  if (codes === undefined || !schemes.some((scheme) => codeFormOf(scheme) === codes)) return schemes;
  return schemes.filter((scheme) => scheme.bits !== 8 || codeFormOf(scheme) === codes);
}

function pinned(
  schemes: readonly Scheme[],
  overrides: TensorOverrides,
  what: string,
  { primaryBitwidth }: Hardware,
): Scheme[] {
  const agreeing = schemes.filter(
    (scheme) =>
      (overrides.bits ?? scheme.bits) === scheme.bits &&
      (overrides.mode ?? scheme.mode) === scheme.mode &&
      (overrides.granularity ?? scheme.granularity) === scheme.granularity &&
      levelsOf(widthOf({ ...scheme, ...pinnedLevels(overrides) })) <= 2 ** scheme.bits,
  );
  const isWide = ({ bits }: Scheme): boolean => bits >= primaryBitwidth;
  if (
    agreeing.length > 0 &&
    (overrides.bits !== undefined || agreeing.some(isWide) || !schemes.some(isWide))
  ) {
    return withPinnedCodes(agreeing, overrides);
  }
  const asked = JSON.stringify({
    bits: overrides.bits,
    mode: overrides.mode,
    granularity: overrides.granularity,
    codes: overrides.codes,
    level_low: overrides.levels?.low,
    level_high: overrides.levels?.high,
  });
  const offered = [
    ...new Set(schemes.map(({ bits, mode, granularity }) => `${bits} bit ${mode} ${granularity}`)),
  ];
  if (agreeing.length > 0) {
    throw new ModelError(
      `${what} as ${asked} in ${primaryBitwidth} bits, its primary width; add "bits": ${agreeing[0]!.bits} where that is meant, or choose from ${offered.join(", ")}.`,
    );
  }
  throw new ModelError(
    `${what} as ${asked}; choose from ${offered.join(", ")}, or put its op into \`ignored\`.`,
  );
}
