import * as z from "zod";

/**
 * How far a search goes. A run that is resumed may say it anew, as more trials, minutes or dollars are no other search. The
 * sampler goes by the request's own number of trials all the same, so that every ask can be replayed.
 */
export const limitsSchema = z.strictObject({
  /** Trials in all, the base configuration included and the float model not. */
  maxTrials: z.int().min(1).max(100_000),
  /** Minutes that the run may spend working; 0 is unlimited. */
  maxMinutes: z.number().min(0),
  /** US dollars, where work is billed. */
  maxUsd: z.number().gt(0).exactOptional(),
});

export type Limits = Readonly<z.infer<typeof limitsSchema>>;
