import type { Choice, Configuration, Space } from "./space.js";

/**
 * A configuration of another space as one of this space: parameters of one name keep their values, and what the other
 * space did not have takes its default.
 *
 * @param defaults the value of every parameter that the other space may lack
 * @returns `undefined` where a value is none of the choices here
 */
export function adoptConfiguration(
  space: Space,
  defaults: Configuration,
  configuration: Configuration,
): Configuration | undefined {
  const adopted: Record<string, Choice> = {};
  for (const { name, choices, when } of space) {
    // Where the parent is inactive, so is this parameter; a parent stands before its children.
    if (when !== undefined && !when.in.includes(adopted[when.parameter] ?? "")) continue;
    const value = configuration[name] ?? defaults[name];
    if (value === undefined || !choices.includes(value)) return undefined;
    adopted[name] = value;
  }
  return adopted;
}
