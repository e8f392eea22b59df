import type { ChannelStatistic } from "../../statistics/requirement.js";
import type { ConstantProduct } from "./constant-products.js";

/** The means of what a product reads: its channels are the terms, of all groups one after the other. */
export function inputMeans({ window, inputAxis }: ConstantProduct): ChannelStatistic {
  return window === undefined ? { type: "channel_mean", axis: inputAxis } : { type: "tap_mean", window };
}
