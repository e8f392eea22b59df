import type { Mode, Scheme } from "../../../shared/quantization/device/hardware.js";
import type { RangeEstimator } from "../../../shared/quantization/space/range-estimator.js";
import type { RemovalReason } from "../../../shared/quantization/space/schemes.js";
import type { GroupDerivation, TensorDerivation } from "../../../shared/quantization/space/space.js";
import type { Parameter } from "../../../shared/search/space/space.js";
import type { SideEstimator } from "../../../shared/statistics/statistic-type.js";
import type { InspectedGroup } from "../../api/index.js";

const INDENT = "  ";
const LABEL_WIDTH = 14;

/** Text that explains step by step how the choices of one group (tensors that share a quantizer choice) are derived. */
export function describeDerivation(
  { group, ops }: InspectedGroup,
  { tensors, parameters }: GroupDerivation,
): string {
  if (tensors.length === 0) {
    return `${[`Algorithm ${group}`, ...entry("parameters", parameters.map(describeParameter))].join("\n")}\n`;
  }
  const own = parameters.filter(({ name }) => !tensors.some((tensor) => has(tensor, name)));
  const lines = [
    `Group ${group}`,
    ...entry(
      "ops",
      ops.map(({ name, type, kernel }) => `${type} ${name}${kernel === "simulated" ? " (simulated)" : ""}`),
    ),
    ...entry(
      "switch",
      own.length === 0 ? ["none: tuning_scope does not hold layer"] : own.map(describeParameter),
    ),
    ...tensors.flatMap((tensor) => ["", ...describeTensor(tensor)]),
  ];
  return `${lines.join("\n")}\n`;
}

function has({ parameters }: TensorDerivation, name: string): boolean {
  return parameters.some((parameter) => parameter.name === name);
}

function describeTensor({
  tensor,
  id,
  schemes,
  base,
  kept,
  dropped,
  estimators,
  parameters,
}: TensorDerivation): string[] {
  const { candidates, common, weakened, removed } = schemes;
  return [
    `${tensor === "weights" ? "Weight" : "Activation"} ${id}`,
    ...entry(
      "hardware",
      candidates.map(({ op, type, schemes: offered }) => `${type} ${op}: ${describeSchemes(offered)}`),
    ),
    ...entry("in common", [
      `${describeSchemes(common)}${weakened ? " (only with weaker variants added)" : ""}`,
    ]),
    ...entry(
      "removed",
      removed.map(({ scheme, because }) => `${describeScheme(scheme)} (${describeReason(because)})`),
    ),
    ...entry("preset", [describeScheme(base)]),
    ...entry("in scope", [describeSchemes(kept)]),
    ...entry(
      "out of scope",
      dropped.map(
        ({ scheme, outOfScope }) => `${describeScheme(scheme)} (differs in ${outOfScope.join(" and ")})`,
      ),
    ),
    ...entry(
      "estimator",
      estimators.map(({ mode, base: estimator }) => describeEstimator(mode, estimator)),
    ),
    ...entry("parameters", parameters.length === 0 ? ["none"] : parameters.map(describeParameter)),
  ];
}

/** Text lines: a label followed by its values, one per line; no lines when there are no values. */
function entry(label: string, [first, ...others]: readonly string[]): string[] {
  if (first === undefined) return [];
  const continued = INDENT + " ".repeat(LABEL_WIDTH);
  return [INDENT + label.padEnd(LABEL_WIDTH) + first, ...others.map((line) => continued + line)];
}

export function describeSchemes(schemes: readonly Scheme[]): string {
  return schemes.map(describeScheme).join(", ");
}

function describeReason(because: RemovalReason): string {
  return because === "saturates" ? "saturation_fix: it can saturate" : because;
}

/** A scheme as text: width, mode and granularity abbreviated, other properties by name. */
function describeScheme({ bits, mode, granularity, codes, ...others }: Scheme): string {
  const named = Object.entries(others).map(([name, value]) =>
    typeof value === "object" ? ` ${name} ${Object.values(value).join("..")}` : ` ${name}`,
  );
  const short = `${mode === "symmetric" ? "sym" : "asym"}/${granularity === "perchannel" ? "channel" : "tensor"}`;
  return `${bits} ${short}${named.join("")}${codes === undefined ? "" : ` ${codes}`}`;
}

function describeEstimator(mode: Mode, { min, max }: RangeEstimator): string {
  const sides = [...(min === undefined ? [] : [`min ${describeSide(min)}`]), `max ${describeSide(max)}`];
  return `${mode}: ${sides.join(", ")}`;
}

function describeSide({ type, aggregator, outlierProb, clippingValue }: SideEstimator): string {
  return [
    type,
    ...(outlierProb === undefined ? [] : [`beyond ${outlierProb}`]),
    ...(aggregator === undefined ? [] : [`by ${aggregator}`]),
    ...(clippingValue === undefined ? [] : [`clipped at ${clippingValue}`]),
  ].join(" ");
}

export function describeParameter({ name, choices, when }: Parameter): string {
  const condition = when === undefined ? "" : ` (when ${when.parameter} is ${when.in.join(" or ")})`;
  return `${name}: ${choices.join(", ")}${condition}`;
}
