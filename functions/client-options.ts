/** What each client of the AWS SDK in a function is made with. */
export const CLIENT_OPTIONS = {
  /**
   * Middleware that never changes need not be put together for every call: a fifth of what a call of the SDK takes of the
   * processor, and five calls are most of what an evaluator adds to a short trial.
   */
  cacheMiddleware: true,
  /**
   * A connection that is taken and never answered is given up, which the SDK by itself never does; the call is repeated
   * on another. All tries of one end within a coordinator's minute. A transfer may take longer: only silence counts.
   */
  requestHandler: { connectionTimeout: 2_000, socketTimeout: 4_000 },
} as const;
