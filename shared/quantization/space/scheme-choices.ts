import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import { codeFormOf, type Scheme } from "../device/hardware.js";

/**
 * The mode comes first, as a tensor's range estimator depends on it: its parameters then have one condition, whichever
 * widths and granularities the modes have.
 */
const FIELDS = ["mode", "bits", "granularity", "codes"] as const;

type Field = (typeof FIELDS)[number];

type SchemeParameter = Pick<Parameter, "name" | "choices" | "when">;

/**
 * The parameters that choose one of several schemes: one for each field in which they differ. Where the choices of a
 * later field depend on those of an earlier one (asymmetric codes of 8 bits, symmetric ones of 4), it becomes a
 * parameter of each choice, such as `…/symmetric/bits`, which exists beside that choice only.
 *
 * @param prefix of the parameters' names
 * @param schemes the base first
 * @param when on what all of them depend
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
 * The scheme that a configuration chooses by the parameters of {@link schemeParameters}; what it leaves out is as in the
 * first.
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

/** What a scheme has in a field; plain INT8 codes go without saying there. */
export function fieldOf(scheme: Scheme, field: Field): Choice {
  return field === "codes" ? codeFormOf(scheme) : scheme[field];
}

/** The choices of a field, and whether those of the later fields are the same beside each of them. */
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
