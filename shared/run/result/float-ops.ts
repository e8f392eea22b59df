import { nodeName } from "../../onnx/graph/node-names.js";
import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import {
  type UnboundedGroups,
  unboundedGroup,
  withoutUnbounded,
} from "../../quantization/rewrite/bounded-plan.js";
import type { QuantizationPlan } from "../../quantization/space/plan.js";
import { switchName } from "../../quantization/space/space.js";
import { configurationKey } from "../../search/space/configuration-key.js";
import type { Configuration } from "../../search/space/space.js";
import type { FinishedTrial } from "../../search/trials/sampler.js";
import { type Importance, summarize, type TrialSummary } from "./tried-choices.js";

interface FloatOpBase {
  /** The node's name and op type. */
  readonly name: string;
  readonly type: string;
}

/** An op that stays in float in the best model, and why. */
export type FloatOp = FloatOpBase &
  (
    | {
        /**
         * No configuration could have quantized the op: it is ignored, has no suitable kernel or operand, or
         * has no finite range on the calibration samples. `reason` is a clause.
         */
        readonly cause: "not quantizable";
        readonly reason: string;
      }
    | {
        /**
         * The op's own group (tensors that share a quantizer choice) is switched off in the best
         * configuration.
         */
        readonly cause: "chosen";
        readonly group: string;
        readonly evidence: SwitchEvidence;
      }
    | {
        /**
         * The op reads or writes a tensor of a group that is switched off: POT leaves such an op in float as
         * a whole (docs/reference/algorithms.md, "Quantizer groups").
         */
        readonly cause: "block rule";
        readonly group: string;
      }
  );

/**
 * Evidence from trials about quantizing a group (tensors that share a quantizer choice) or leaving it in
 * float.
 */
export interface SwitchEvidence {
  readonly quantized: TrialSummary;
  readonly float: TrialSummary;
  /**
   * Percent of accuracy lost by quantizing the group with everything else equal, from the additive model of
   * all trials, with its standard error; `null` if no trial quantized it, none left it in float, or the
   * effect is within noise.
   */
  readonly accuracyCost: { readonly points: number; readonly deviation: number } | null;
  /**
   * The trial that equals the best one except that the group is quantized, if there was one: the least lossy
   * of the complete ones, with its percent of accuracy lost and its difference to the best trial's.
   */
  readonly neighbour: {
    readonly trial: number;
    readonly accuracyLoss: number;
    readonly cost: number;
    readonly state: string;
  } | null;
}

export interface FloatOpSources {
  readonly layout: QuantizerLayout;
  /** The quantization plan of the best configuration. */
  readonly plan: QuantizationPlan;
  readonly best: Configuration;
  /** Percent of accuracy that the best configuration lost relative to the float model. */
  readonly bestLoss: number;
  /**
   * Groups left in float because of the calibration samples, whatever the configuration says, with reasons.
   */
  readonly unbounded: UnboundedGroups;
  readonly trials: readonly FinishedTrial[];
  readonly importance: Importance;
}

/** All weighted ops that the best model leaves in float, and all other ops that could have been quantized. */
export function explainFloatOps(sources: FloatOpSources): FloatOp[] {
  const { layout, plan, unbounded } = sources;
  const explained: FloatOp[] = layout.unquantizable.map(({ name, type, reason }) => ({
    name,
    type,
    cause: "not quantizable",
    reason,
  }));
  for (const op of layout.ops.values()) {
    if (plan.ops.has(op.key)) continue;
    const group = offGroupOf(op.key, sources);
    const described = { name: nodeName(op.node), type: op.node.opType };
    const reason = unboundedGroup(unbounded, group);
    if (reason !== undefined) {
      explained.push({ ...described, cause: "not quantizable", reason });
      continue;
    }
    const isOwn = layout.groups.get(group)?.id === op.name;
    explained.push(
      isOwn
        ? { ...described, cause: "chosen", group, evidence: switchEvidence(group, sources) }
        : { ...described, cause: "block rule", group },
    );
  }
  return explained;
}

/**
 * Name of the group whose switch keeps an op in float: one that the op reads from, or otherwise the one that
 * it writes to.
 */
function offGroupOf(key: string, { layout, best, unbounded }: FloatOpSources): string {
  const held = withoutUnbounded(best, unbounded);
  const op = layout.ops.get(key)!;
  const tensors = [...op.activations.map((i) => op.node.input[i]!), op.output];
  const groups = tensors.flatMap((tensor) => layout.groupOf.get(layout.quantizerOf.get(tensor) ?? "") ?? []);
  return groups.find((group) => held[switchName(group)] === false) ?? groups[0] ?? op.name;
}

function switchEvidence(
  group: string,
  { best, bestLoss, trials, importance }: FloatOpSources,
): SwitchEvidence {
  const name = switchName(group);
  const having = (value: boolean) => trials.filter(({ configuration }) => configuration[name] === value);
  const [quantized, float] = [having(true), having(false)];
  const effects = importance.accuracyLoss.find(({ parameter }) => parameter === name)?.effects;
  const effectOf = (value: boolean) => effects?.find(({ choice }) => choice === value);
  const [on, off] = [effectOf(true), effectOf(false)];
  const others = configurationKey(withoutGroup(best, name));
  const neighbours = quantized.filter(
    ({ configuration, state }) =>
      state !== "failed" && configurationKey(sharedParameters(configuration, best, name)) === others,
  );
  const complete = neighbours.filter(({ state }) => state === "complete");
  const lossOf = ({ accuracyLoss = 0 }: FinishedTrial): number => accuracyLoss;
  const neighbour = complete.sort((a, b) => lossOf(a) - lossOf(b))[0] ?? neighbours[0];
  return {
    quantized: summarize(quantized),
    float: summarize(float),
    accuracyCost:
      on === undefined || off === undefined || quantized.length === 0 || float.length === 0
        ? null
        : // The effects of two choices have opposite signs.
          { points: on.effect - off.effect, deviation: on.deviation + off.deviation },
    neighbour:
      neighbour === undefined
        ? null
        : {
            trial: neighbour.number,
            accuracyLoss: lossOf(neighbour),
            cost: lossOf(neighbour) - bestLoss,
            state: neighbour.state,
          },
  };
}

function withoutGroup(configuration: Configuration, name: string): Configuration {
  const { [name]: _, ...others } = configuration;
  return others;
}

/**
 * The configuration of a trial restricted to parameters that the best one has too, without the group's
 * switch: the group's own parameters exist only where it is quantized.
 */
function sharedParameters(configuration: Configuration, best: Configuration, name: string): Configuration {
  return Object.fromEntries(
    Object.entries(configuration).filter(([parameter]) => parameter !== name && parameter in best),
  );
}
