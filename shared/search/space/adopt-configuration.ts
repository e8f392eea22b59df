import type { Choice, Configuration, Space } from "./space.js";

/**
 * Converts a configuration of another space to one of this space: parameters of the same name keep their
 * values, and parameters that the other space does not have take their defaults.
 *
 * @param defaults a value for every parameter that the other space may lack
 * @returns `undefined` when a value is not among the choices of this space
 */
export function adoptConfiguration(
  space: Space,
  defaults: Configuration,
  configuration: Configuration,
): Configuration | undefined {
  const adopted: Record<string, Choice> = {};
  for (const { name, choices, when } of space) {
    // A parameter is inactive where its parent is; a parent is listed before its children.
    if (when !== undefined && !when.in.includes(adopted[when.parameter] ?? "")) continue;
    const value = configuration[name] ?? defaults[name];
    if (value === undefined || !choices.includes(value)) return undefined;
    adopted[name] = value;
  }
  return adopted;
}
