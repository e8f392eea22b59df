import { createRandomStream, type RandomStream } from "../../../../shared/search/numerics/random.js";
import { type Problem, parentsFirst } from "./problem.js";

const RESTARTS = 12;
/** Number of annealing steps, which take a few seconds per problem. */
const STEPS = 500_000;
/**
 * First and last temperature of annealing, as shares of the standard deviation over random configurations.
 */
const HOT = 0.5;
const COLD = 5e-5;
/** Share of annealing steps that change a parameter together with one that it interacts with. */
const JOINT_STEPS = 0.3;

/**
 * The smallest value (without noise) of a problem found by annealing and descent with restarts; not proven to be
 * the minimum.
 */
export function bestKnownValue(problem: Problem): number {
  let best = Number.POSITIVE_INFINITY;
  for (let restart = 0; restart < RESTARTS; restart++) {
    const state = createState(problem, createRandomStream(1, restart, "problem"));
    anneal(state);
    descend(state);
    best = Math.min(best, state.value());
  }
  return best;
}

/**
 * A configuration that is changed in place; inactive parameters keep their code for when they become active.
 */
interface State {
  readonly random: RandomStream;
  readonly choices: readonly number[];
  readonly codes: Int32Array;
  /** For each parameter, the indices of those with which it interacts or is conditional. */
  readonly partners: readonly (readonly number[])[];
  value(): number;
  /** The part of the problem's value that depends on the one or two given parameters. */
  part(first: number, second: number): number;
}

function createState(problem: Problem, random: RandomStream): State {
  const { parameters, main, pairs } = problem;
  const size = parameters.length;
  const order = parentsFirst(problem);
  const indexOf = new Map(parameters.map(({ name }, d) => [name, d]));
  const parent = parameters.map(({ when }) => (when === undefined ? -1 : indexOf.get(when.name)!));
  const existsFor = parameters.map(({ when }) => new Set(when?.is));
  const codes = Int32Array.from(parameters, ({ choices }) => random.below(choices));
  const exists = (d: number): boolean => {
    const above = parent[d]!;
    return above < 0 || (existsFor[d]!.has(codes[above]!) && exists(above));
  };
  const below = parameters.map((_, d) => new Set([d]));
  for (const d of order.toReversed()) {
    if (parent[d]! >= 0) for (const child of below[d]!) below[parent[d]!]!.add(child);
  }
  const sumOf = (members: Iterable<number>, interactions: Iterable<number>): number => {
    let sum = 0;
    for (const d of members) sum += exists(d) ? main[d]![codes[d]!]! : 0;
    for (const index of interactions) {
      const { a, b, table } = pairs[index]!;
      sum += exists(a) && exists(b) ? table[codes[a]!]![codes[b]!]! : 0;
    }
    return sum;
  };
  const pairsOf = below.map((members) =>
    [...pairs.keys()].filter((index) => members.has(pairs[index]!.a) || members.has(pairs[index]!.b)),
  );
  const partners = parameters.map((_, d) => {
    const others = new Set([...below[d]!, parent[d]!]);
    for (const { a, b } of pairs) {
      if (a === d) others.add(b);
      if (b === d) others.add(a);
    }
    return [...others].filter((other) => other >= 0 && other !== d);
  });
  const unions = new Map<number, readonly [readonly number[], readonly number[]]>();
  const touchedBy = (first: number, second: number): readonly [Iterable<number>, Iterable<number>] => {
    if (first === second) return [below[first]!, pairsOf[first]!];
    const key = first * size + second;
    let union = unions.get(key);
    if (union === undefined) {
      union = [
        [...new Set([...below[first]!, ...below[second]!])],
        [...new Set([...pairsOf[first]!, ...pairsOf[second]!])],
      ];
      unions.set(key, union);
    }
    return union;
  };
  return {
    random,
    choices: parameters.map(({ choices }) => choices),
    codes,
    partners,
    value: () => sumOf(parameters.keys(), pairs.keys()),
    part: (first, second) => sumOf(...touchedBy(first, second)),
  };
}

function anneal(state: State): void {
  const { random, choices, codes, partners } = state;
  const scale = deviation(state);
  for (let step = 0; step < STEPS; step++) {
    const temperature = scale * HOT * (COLD / HOT) ** (step / STEPS);
    const first = random.below(codes.length);
    const others = partners[first]!;
    const second =
      others.length > 0 && random.uniform() < JOINT_STEPS ? others[random.below(others.length)]! : first;
    const [oldFirst, oldSecond] = [codes[first]!, codes[second]!];
    const before = state.part(first, second);
    codes[first] = random.below(choices[first]!);
    if (second !== first) codes[second] = random.below(choices[second]!);
    const rise = state.part(first, second) - before;
    if (rise > 0 && random.uniform() >= Math.exp(-rise / temperature)) {
      codes[first] = oldFirst;
      codes[second] = oldSecond;
    }
  }
}

/** Descends until no change of one parameter or of a related pair is an improvement. */
function descend(state: State): void {
  const { codes, partners } = state;
  for (let improved = true; improved; ) {
    improved = false;
    for (const first of codes.keys()) {
      for (const second of [first, ...partners[first]!]) {
        improved = bestOfTwo(state, first, second) || improved;
      }
    }
  }
}

function bestOfTwo(state: State, first: number, second: number): boolean {
  const { choices, codes } = state;
  let [bestFirst, bestSecond] = [codes[first]!, codes[second]!];
  const before = state.part(first, second);
  let least = before;
  for (let i = 0; i < choices[first]!; i++) {
    for (let j = 0; j < (second === first ? 1 : choices[second]!); j++) {
      codes[second] = j;
      codes[first] = i;
      const part = state.part(first, second);
      if (part < least - 1e-12 * Math.abs(least)) [least, bestFirst, bestSecond] = [part, i, j];
    }
  }
  codes[second] = bestSecond;
  codes[first] = bestFirst;
  return least < before;
}

function deviation(state: State): number {
  const { random, choices, codes } = state;
  const values = Array.from({ length: 200 }, () => {
    for (const d of codes.keys()) codes[d] = random.below(choices[d]!);
    return state.value();
  });
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
