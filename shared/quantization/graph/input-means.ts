import type { ChannelStatistic } from "../../statistics/requirement.js";
import type { ConstantProduct } from "./constant-products.js";

/**
 * The statistic of a product's mean inputs (over positions and samples): its channels are the product's terms
 * (input values that one output sums up), those of all convolution groups concatenated.
 */
export function inputMeans({ window, inputAxis }: ConstantProduct): ChannelStatistic {
  return window === undefined ? { type: "channel_mean", axis: inputAxis } : { type: "tap_mean", window };
}
