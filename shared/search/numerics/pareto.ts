/** Values of several objectives, all of them minimized. */
export type ObjectivePoint = readonly number[];

/** Whether `a` is no worse than `b` in every objective and better in at least one. */
export function dominates(a: ObjectivePoint, b: ObjectivePoint): boolean {
  let better = false;
  for (let m = 0; m < a.length; m++) {
    if (a[m]! > b[m]!) {
      return false;
    }
    better ||= a[m]! < b[m]!;
  }
  return better;
}

/** Indices of the points that no other point dominates, ascending. Of equal points all are included. */
export function paretoFront(points: readonly ObjectivePoint[]): number[] {
  return [...points.keys()].filter((i) => !points.some((other) => dominates(other, points[i]!)));
}

/**
 * The non-dominated rank of each point: 0 on the Pareto front, 1 on the front of the remaining points, and so
 * on.
 */
export function nonDominatedRanks(points: readonly ObjectivePoint[]): Int32Array {
  const ranks = new Int32Array(points.length).fill(-1);
  // In lexicographic order a point can only be dominated by earlier ones, so a single pass assigns all ranks.
  const order = [...points.keys()].sort((i, j) => compareLexicographically(points[i]!, points[j]!) || i - j);
  const fronts: number[][] = [];
  for (const i of order) {
    let rank = 0;
    while (rank < fronts.length && fronts[rank]!.some((j) => dominates(points[j]!, points[i]!))) {
      rank++;
    }
    ranks[i] = rank;
    fronts[rank] ??= [];
    fronts[rank]!.push(i);
  }
  return ranks;
}

/**
 * Volume of the region that the points dominate, bounded by a reference point; points not better than the
 * reference in every objective add nothing. Slices along the last objective (While et al., "A faster
 * algorithm for calculating hypervolume", 2006).
 */
export function hypervolume(points: readonly ObjectivePoint[], reference: ObjectivePoint): number {
  const last = reference.length - 1;
  const inside = points.filter((point) => point.every((value, m) => value < reference[m]!));
  if (inside.length === 0) {
    return 0;
  }
  if (last === 0) {
    return reference[0]! - Math.min(...inside.map((point) => point[0]!));
  }
  const sorted = [...inside].sort((a, b) => a[last]! - b[last]!);
  if (last === 1) {
    return areaBelow(sorted, reference);
  }
  let volume = 0;
  for (const [i, point] of sorted.entries()) {
    const depth = (sorted[i + 1]?.[last] ?? reference[last]!) - point[last]!;
    if (depth > 0) {
      const slice = sorted.slice(0, i + 1).map((other) => other.slice(0, last));
      volume += depth * hypervolume(slice, reference.slice(0, last));
    }
  }
  return volume;
}

/**
 * Hypervolume of two objectives: the area of the staircase of points, which are sorted by the second
 * objective.
 */
function areaBelow(sorted: readonly ObjectivePoint[], reference: ObjectivePoint): number {
  let area = 0;
  let reached = reference[0]!;
  for (const point of sorted) {
    if (point[0]! < reached) {
      area += (reached - point[0]!) * (reference[1]! - point[1]!);
      reached = point[0]!;
    }
  }
  return area;
}

/** For each point, by how much the hypervolume shrinks without it. */
export function hypervolumeContributions(
  points: readonly ObjectivePoint[],
  reference: ObjectivePoint,
): Float64Array {
  const all = hypervolume(points, reference);
  return Float64Array.from(points, (_, i) =>
    Math.max(0, all - hypervolume([...points.slice(0, i), ...points.slice(i + 1)], reference)),
  );
}

/**
 * The reference point for hypervolumes: the worst value of each objective plus a tenth of its range, so that
 * the ends of a front have hypervolume too.
 */
export function referencePoint(points: readonly ObjectivePoint[]): number[] {
  return Array.from(points[0] ?? [], (_, m) => {
    const values = points.map((point) => point[m]!);
    const worst = Math.max(...values);
    const range = worst - Math.min(...values);
    return worst + (range > 0 ? 0.1 * range : 1);
  });
}

function compareLexicographically(a: ObjectivePoint, b: ObjectivePoint): number {
  for (let m = 0; m < a.length; m++) {
    if (a[m] !== b[m]) {
      return a[m]! - b[m]!;
    }
  }
  return 0;
}
