import type { RandomStream } from "../../../../shared/search/numerics/random.js";

/** A random value, all with equal probability. */
export function oneOf<Value>(random: RandomStream, values: readonly Value[]): Value {
  const chosen = values[random.below(values.length)];
  if (chosen === undefined && values.length === 0) throw new RangeError("nothing to choose from");
  return chosen as Value;
}

/** A random name, with probability proportional to its weight. */
export function weighted<Name extends string>(
  random: RandomStream,
  weights: Readonly<Record<Name, number>>,
): Name {
  const entries = Object.entries<number>(weights) as [Name, number][];
  let left = random.uniform() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return entries.at(-1)![0];
}
