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

/** How the schemes of one tensor came about (reference section 3.2), for whoever asks why there are no others. */
export interface SchemeDerivation {
  /** What the target device offers each op that decides: those that read the tensor, or make it where none does. */
  readonly candidates: readonly {
    readonly op: string;
    readonly type: string;
    readonly schemes: readonly Scheme[];
  }[];
  /** What the ops have in common, in the order of the first. */
  readonly common: readonly Scheme[];
  /** Whether they had nothing in common until weaker variants were taken in (reference section 4.8). */
  readonly weakened: boolean;
  /** What of it is left out. */
  readonly removed: readonly { readonly scheme: Scheme; readonly because: RemovalReason }[];
  /** What may be chosen. */
  readonly schemes: readonly Scheme[];
}

/** The user pins something else, the weight has no axis of channels, or `model_type` demands symmetric mode. */
export type RemovalReason = "pinned" | "no channel axis" | "model_type transformer" | "saturates";

/**
 * How an activation quantizer may be set: what every op that reads its tensors supports (or that makes them, where none
 * does), as far as the user pins nothing else, in the order of the first of them. Where one scale a channel is all that
 * the device offers and a scale a tensor is pinned, that is taken: it is the weaker variant of reference section 4.8.
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

/** A product of two activations, such as those of attention. */
function isFreeProduct({ node, weight }: QuantizableOp): boolean {
  return node.opType === "MatMul" && weight === undefined;
}

/**
 * How a weight quantizer may be set; one scale for all channels is all that is left without a channel axis.
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
 * Without what the saturation fix leaves out. Where it asks for an exact form and the device offers one, that takes its
 * place, else 7 bits do.
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
 * The scheme of a preset: performance takes the first, mixed the first of weights and the last of activations, accuracy
 * the last of both (reference section 7). Of the last, the mode and width count: the granularity stays the first that
 * goes with them. Fewer bits than the device's primary width are taken only where they are pinned, or nothing else is
 * left.
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
 * What all lists have in common, in the order of the first; where that is nothing, each list takes its schemes' weaker
 * variants in as well: one scale for a tensor, symmetric, or both. Where there is nothing still, widths are resolved: to
 * the device's primary one if one side has it, else to the smaller (reference section 4.8).
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

/** Each scheme once, where it stands first. */
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

/** Schemes of the pinned form of codes; where no kernel takes it, as of depthwise convolutions, all forms. */
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
