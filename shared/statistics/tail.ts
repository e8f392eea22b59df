import { makeIntAttribute } from "../onnx/model/attributes.js";
import { quantilePosition } from "./quantile.js";
import type { ReductionGraph } from "./reduction-graph.js";
import type { Statistic } from "./requirement.js";

/** A tensor whose quantiles near one end (its tail) are computed. */
export interface TailSource {
  /** Name of a tensor of shape [channels, size]. */
  readonly values: string;
  readonly channels: number;
  readonly size: number;
  readonly side: "min" | "max";
}

/**
 * Adds nodes that compute quantiles near one end of each channel's values, all from one TopK that is as deep as
 * the innermost of them needs.
 *
 * @param wanted the quantiles, each with the share of values beyond it
 */
export function addTail(
  graph: ReductionGraph,
  tensor: string,
  { values, channels, size, side }: TailSource,
  wanted: readonly { readonly statistic: Statistic; readonly outlierProb: number }[],
): void {
  if (wanted.length === 0) return;
  const ranks = wanted.map(({ outlierProb }) => {
    const { below, fraction } = quantilePosition(size, outlierProb);
    return { near: below, far: Math.min(below + 1, size - 1), fraction };
  });
  const depth = Math.max(...ranks.map(({ far }) => far)) + 1;
  const top = graph.node(
    "TopK",
    [values, graph.integers([depth])],
    [
      makeIntAttribute("axis", 1),
      makeIntAttribute("largest", side === "max" ? 1 : 0),
      makeIntAttribute("sorted", 1),
    ],
    ["top", "indices"],
  );
  const kept = [...new Set(ranks.flatMap(({ near, far }) => [near, far]))];
  const picked = graph.node("Gather", [top, graph.integers(kept)], [makeIntAttribute("axis", 1)]);
  const at = graph.piece(graph.node("Reshape", [picked, graph.integers([-1])]), channels * kept.length);
  wanted.forEach(({ statistic }, i) => {
    const { near, far, fraction } = ranks[i]!;
    graph.column(
      tensor,
      statistic,
      Array.from({ length: channels }, (_, channel) => ({
        low: at + channel * kept.length + kept.indexOf(near),
        high: at + channel * kept.length + kept.indexOf(far),
        fraction,
      })),
    );
  });
}
