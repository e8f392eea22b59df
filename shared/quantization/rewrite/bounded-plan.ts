import type { Configuration } from "../../search/space/space.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { Hardware } from "../device/hardware.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { UnquantizableOp } from "../graph/quantizable-ops.js";
import { planQuantization, type QuantizationPlan } from "../space/plan.js";
import { switchName } from "../space/space.js";
import type { TuningOptions } from "../space/tuning-options.js";
import { unboundedReason } from "./activation-scales.js";

/**
 * Groups (ops that are switched together) that are left in float because one of their ranges is not finite or
 * not usable, each with the reason as a clause.
 */
export type UnboundedGroups = Readonly<Record<string, string>>;

export interface BoundedPlan {
  readonly plan: QuantizationPlan;
  readonly unbounded: UnboundedGroups;
}

/**
 * The quantization plan of a configuration, with those groups (ops switched together) left in float that have
 * no usable range on the calibration samples.
 */
export function planWithinBounds(
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
  configuration: Configuration,
  statistics: StatisticsTable,
): BoundedPlan {
  const unbounded: Record<string, string> = {};
  for (;;) {
    const plan = planQuantization(layout, hardware, options, withoutUnbounded(configuration, unbounded));
    const found = [...plan.activations].flatMap(([id, tensor]) => {
      const reason = unboundedReason(layout.activations.get(id)!, tensor, statistics);
      return reason === undefined ? [] : [[layout.groupOf.get(id)!, reason] as const];
    });
    if (found.length === 0) return { plan, unbounded };
    for (const [group, reason] of found) {
      if (!Object.hasOwn(unbounded, group)) unbounded[group] = reason;
    }
  }
}

/** A configuration with the unbounded groups (those without a usable range) switched off. */
export function withoutUnbounded(configuration: Configuration, unbounded: UnboundedGroups): Configuration {
  const off = Object.keys(unbounded).map((group) => [switchName(group), false] as const);
  return { ...configuration, ...Object.fromEntries(off) };
}

/**
 * The reason why a group has no usable range; `undefined` where its ranges are usable. Groups have names of any
 * kind, such as "constructor", which a plain look-up would find in every object.
 */
export function unboundedGroup(unbounded: UnboundedGroups, group: string): string | undefined {
  return Object.hasOwn(unbounded, group) ? unbounded[group] : undefined;
}

/**
 * The ops that unbounded groups (those without a usable range) leave in float: those that read or write one of
 * their tensors.
 */
export function unboundedOps(layout: QuantizerLayout, unbounded: UnboundedGroups): UnquantizableOp[] {
  return [...layout.ops.values()].flatMap(({ name, node, activations, output }) => {
    const tensors = [...activations.map((i) => node.input[i]!), output];
    const groups = tensors.map((tensor) => layout.groupOf.get(layout.quantizerOf.get(tensor) ?? "") ?? "");
    const [reason] = groups.flatMap((group) => unboundedGroup(unbounded, group) ?? []);
    return reason === undefined ? [] : [{ name, type: node.opType, reason }];
  });
}
