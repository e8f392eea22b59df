/** Options of every AWS SDK client in the functions. */
export const CLIENT_OPTIONS = {
  /**
   * Reuses the resolved middleware stack between calls. Resolving it takes a fifth of a call's processor
   * time, and an evaluator makes five calls per short trial.
   */
  cacheMiddleware: true,
  /**
   * Time-outs for connections that are never answered, which the SDK does not have by default; the call is
   * then repeated on another connection. All attempts together end within the coordinator's time-out of a
   * minute. The socket time-out counts silence only, so a transfer may take longer.
   */
  requestHandler: { connectionTimeout: 2_000, socketTimeout: 4_000 },
} as const;
