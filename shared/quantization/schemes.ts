import { ModelError } from "../errors.js";
import type { ActivationQuantizer, QuantizerLayout, WeightQuantizer } from "./groups.js";
import type { Hardware, Scheme } from "./hardware.js";
import type { TensorOverrides, TuningOptions } from "./tuning-options.js";

/**
 * How an activation quantizer may be set: what every op that reads or makes its tensors supports, as far as the
 * user pins nothing else, in the order of the first of them.
 */
export function activationSchemes(
  quantizer: ActivationQuantizer,
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): Scheme[] {
  const members = new Set(quantizer.tensors);
  const lists = [...layout.ops.values()]
    .filter(
      (op) => members.has(op.output) || op.activations.some((input) => members.has(op.node.input[input]!)),
    )
    .map((op) => hardware.schemes(op.node.opType, "activations"));
  return pinned(intersection(lists), options.activations, `activation "${quantizer.id}"`);
}

/** How a weight quantizer may be set; one scale for all channels is all that is left without a channel axis. */
export function weightSchemes(
  quantizer: WeightQuantizer,
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): Scheme[] {
  const lists = quantizer.ops.map((key) => hardware.schemes(layout.ops.get(key)!.node.opType, "weights"));
  const supported = intersection(lists).filter(
    ({ granularity }) => granularity === "pertensor" || quantizer.channelAxis !== undefined,
  );
  const overrides =
    quantizer.channelAxis === undefined ? { ...options.weights, granularity: undefined } : options.weights;
  return pinned(supported, overrides, `weight "${quantizer.id}"`);
}

/**
 * The scheme of a preset: performance takes the first mode, mixed the last mode of activations
 * (reference section 7).
 */
export function baseScheme(
  schemes: readonly Scheme[],
  tensor: "activations" | "weights",
  preset: TuningOptions["preset"],
): Scheme {
  const first = schemes[0]!;
  if (preset === "performance" || tensor === "weights") return first;
  const lastMode = schemes.at(-1)!.mode;
  return (
    schemes.find(
      ({ bits, mode, granularity }) =>
        mode === lastMode && bits === first.bits && granularity === first.granularity,
    ) ?? first
  );
}

/**
 * What all lists have in common, in the order of the first; where that is nothing, each list takes its schemes' weaker
 * variants in as well: one scale for a tensor, symmetric, or both (reference section 4.8).
 */
function intersection(lists: readonly Scheme[][]): Scheme[] {
  const common = inAll(lists);
  return common.length > 0 || lists.length === 0 ? common : inAll(lists.map(withWeakerVariants));
}

function inAll([first = [], ...others]: readonly Scheme[][]): Scheme[] {
  return first.filter((scheme) => others.every((list) => list.some((other) => isSame(other, scheme))));
}

function withWeakerVariants(schemes: readonly Scheme[]): Scheme[] {
  const variants = schemes.flatMap((scheme): Scheme[] => [
    { ...scheme, granularity: "pertensor" },
    { ...scheme, mode: "symmetric" },
    { ...scheme, mode: "symmetric", granularity: "pertensor" },
  ]);
  const distinct: Scheme[] = [];
  for (const scheme of [...schemes, ...variants]) {
    if (!distinct.some((other) => isSame(other, scheme))) distinct.push(scheme);
  }
  return distinct;
}

function isSame(a: Scheme, b: Scheme): boolean {
  return a.bits === b.bits && a.mode === b.mode && a.granularity === b.granularity;
}

function pinned(schemes: readonly Scheme[], overrides: TensorOverrides, what: string): Scheme[] {
  const agreeing = schemes.filter(
    (scheme) =>
      (overrides.bits ?? scheme.bits) === scheme.bits &&
      (overrides.mode ?? scheme.mode) === scheme.mode &&
      (overrides.granularity ?? scheme.granularity) === scheme.granularity,
  );
  if (agreeing.length > 0) return agreeing;
  const asked = JSON.stringify({
    bits: overrides.bits,
    mode: overrides.mode,
    granularity: overrides.granularity,
  });
  const offered = [
    ...new Set(schemes.map(({ bits, mode, granularity }) => `${bits} bit ${mode} ${granularity}`)),
  ];
  throw new ModelError(
    `The target device cannot quantize ${what} as ${asked}; choose from ${offered.join(", ")}, or put its op into \`ignored\`.`,
  );
}
