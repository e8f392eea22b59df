/** What the functions tell CloudWatch and the dashboard shows; each has the dimensions `fleet` and `service`. */
export const METRIC_NAMESPACE = "quantfleet";

export const METRIC = {
  trialsEnded: "TrialsEnded",
  trialsFailed: "TrialsFailed",
  usdSpent: "UsdSpent",
  jobsAnswered: "JobsAnswered",
  jobsFailed: "JobsFailed",
  messagesRefused: "MessagesRefused",
  /** The metric of the best trial so far; also has the dimension `run`. */
  bestMetric: "BestMetric",
} as const;

export type MetricName = (typeof METRIC)[keyof typeof METRIC];
