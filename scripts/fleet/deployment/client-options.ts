/**
 * What each client of the AWS SDK is made with on a user's machine: a connection that is taken and never answered is given
 * up and the call repeated, which the SDK by itself never does. A transfer may take longer: only silence counts.
 */
export const CLIENT_OPTIONS = {
  requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
} as const;
