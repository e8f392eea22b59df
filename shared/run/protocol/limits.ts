import * as z from "zod";

/**
 * Limits of a search. A resumed run may get new limits. The sampler still receives the request's original
 * number of trials, so that every proposal can be repeated.
 */
export const limitsSchema = z.strictObject({
  /** Trials in all, the base configuration included and the float model not. */
  maxTrials: z.int().min(1).max(100_000),
  /** Minutes of work; 0 is unlimited. */
  maxMinutes: z.number().min(0),
  /** Budget in US dollars; only where work is billed. */
  maxUsd: z.number().gt(0).exactOptional(),
});

export type Limits = Readonly<z.infer<typeof limitsSchema>>;
