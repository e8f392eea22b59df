/**
 * Namespace of the CloudWatch metrics that the functions publish and the dashboard shows; each metric has the
 * dimensions `fleet` and `service`.
 */
export const METRIC_NAMESPACE = "quantfleet";

export const METRIC = {
  trialsEnded: "TrialsEnded",
  trialsFailed: "TrialsFailed",
  usdSpent: "UsdSpent",
  jobsAnswered: "JobsAnswered",
  jobsFailed: "JobsFailed",
  messagesRefused: "MessagesRefused",
  /**
   * The quality metric (such as accuracy) of a run's best trial so far, with the additional dimension `run`.
   */
  bestMetric: "BestMetric",
} as const;

export type MetricName = (typeof METRIC)[keyof typeof METRIC];
