import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import { codeFormOf, type Scheme } from "../device/hardware.js";

/**
 * The fields of a scheme (way to quantize a tensor) in the order of their search parameters. The mode comes
 * first, as the parameters of the range estimator are conditional on it alone.
 */
const FIELDS = ["mode", "bits", "granularity", "codes"] as const;

type Field = (typeof FIELDS)[number];

type SchemeParameter = Pick<Parameter, "name" | "choices" | "when">;

/**
 * Search parameters that choose one of several schemes (ways to quantize a tensor), one per field in which the
 * schemes differ. Where the choices of a later field depend on an earlier one (say, 8 bits if asymmetric and 4
 * if symmetric), the field has a parameter per choice of the earlier one, such as `…/symmetric/bits`, which is
 * conditional on that choice.
 *
 * @param prefix of the parameters' names
 * @param schemes the base scheme first
 * @param when the condition under which the parameters are active
 */
export function schemeParameters(
  prefix: string,
  schemes: readonly Scheme[],
  when: Parameter["when"],
): SchemeParameter[] {
  return parametersOf(FIELDS, prefix, schemes, when);
}

function parametersOf(
  [field, ...others]: readonly Field[],
  prefix: string,
  schemes: readonly Scheme[],
  when: Parameter["when"],
): SchemeParameter[] {
  if (field === undefined) return [];
  const branches = branchesOf(field, others, schemes);
  if (branches.choices.length === 1) return parametersOf(others, prefix, schemes, when);
  const name = `${prefix}/${field}`;
  const parameter = { name, choices: branches.choices, ...(when === undefined ? {} : { when }) };
  if (branches.alike) {
    return [parameter, ...parametersOf(others, prefix, branches.of(branches.choices[0]!), when)];
  }
  return [
    parameter,
    ...branches.choices.flatMap((choice) =>
      parametersOf(others, `${prefix}/${choice}`, branches.of(choice), { parameter: name, in: [choice] }),
    ),
  ];
}

/**
 * The scheme that a configuration chooses by the parameters of {@link schemeParameters}; parameters that it
 * leaves out take the value of the first scheme.
 */
export function chosenScheme(
  prefix: string,
  schemes: readonly Scheme[],
  configuration: Configuration,
): Scheme {
  let remaining = schemes;
  let names = prefix;
  FIELDS.forEach((field, i) => {
    const branches = branchesOf(field, FIELDS.slice(i + 1), remaining);
    if (branches.choices.length === 1) return;
    const asked = configuration[`${names}/${field}`];
    const choice = branches.choices.find((value) => value === asked) ?? branches.choices[0]!;
    remaining = branches.of(choice);
    if (!branches.alike) names += `/${choice}`;
  });
  return remaining[0]!;
}

/** The value of a scheme's field; `codes` is `int8` when left out. */
export function fieldOf(scheme: Scheme, field: Field): Choice {
  return field === "codes" ? codeFormOf(scheme) : scheme[field];
}

/**
 * The choices of a scheme's field, the schemes with each (`of`), and whether the later fields have the same
 * choices for each of them (`alike`).
 */
function branchesOf(field: Field, others: readonly Field[], schemes: readonly Scheme[]) {
  const of = (choice: Choice): Scheme[] => schemes.filter((scheme) => fieldOf(scheme, field) === choice);
  const choices = [...new Set(schemes.map((scheme) => fieldOf(scheme, field)))];
  const remainders = choices.map((choice) =>
    of(choice)
      .map((scheme) => others.map((other) => fieldOf(scheme, other)).join(" "))
      .sort()
      .join(),
  );
  return { choices, of, alike: remainders.every((remainder) => remainder === remainders[0]) };
}
