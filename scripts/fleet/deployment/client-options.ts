/**
 * Options of the AWS SDK clients on a user's machine. Without timeouts the SDK waits forever on a connection
 * that is accepted but never answered; with them it retries. Only silence counts, so long transfers are not
 * cut off.
 */
export const CLIENT_OPTIONS = {
  requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
} as const;
