/** Options of every AWS SDK client in the functions. */
export const CLIENT_OPTIONS = {
  /**
   * Makes the SDK reuse its resolved middleware stack between calls. Resolving it takes a fifth of a call's
   * processor time, and an evaluator makes five calls per short trial.
   */
  cacheMiddleware: true,
  /**
   * Time-outs in milliseconds for connections that are never answered, which the SDK lacks by default; the
   * SDK then repeats the call on another connection. All attempts of a call end within the coordinator
   * function's time-out of a minute. The socket time-out counts silence only, so a transfer may take longer.
   */
  requestHandler: { connectionTimeout: 2_000, socketTimeout: 4_000 },
} as const;
