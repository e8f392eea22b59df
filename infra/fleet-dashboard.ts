import { Duration, Stack } from "aws-cdk-lib";
import {
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  SingleValueWidget,
  Stats,
} from "aws-cdk-lib/aws-cloudwatch";
import { Construct } from "constructs";
import { METRIC, METRIC_NAMESPACE, type MetricName } from "../functions/metric-names.js";
import type { FleetFunction } from "./fleet-function.js";
import type { FleetQueue } from "./fleet-queues.js";

const MINUTE = Duration.minutes(1);
/** Half of a dashboard's 24 columns. */
const HALF = 12;
const DAY = Duration.days(1);

export interface FleetDashboardProps {
  /** Dimension that distinguishes this fleet's metrics from another's. */
  readonly fleet: string;
  readonly queues: Readonly<Record<string, FleetQueue>>;
  readonly functions: Readonly<Record<string, FleetFunction>>;
}

/** CloudWatch dashboard of a fleet. */
export class FleetDashboard extends Construct {
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, { fleet, queues, functions }: FleetDashboardProps) {
    super(scope, id);
    const sum = (service: string, name: MetricName, label: string, period = MINUTE) =>
      fleetMetric(fleet, service, name).with({ label, period });
    const workers = ["collector", "evaluator"] as const;
    this.dashboard = new Dashboard(this, "Resource", { defaultInterval: Duration.hours(3) });
    this.dashboard.addWidgets(
      graph("Trials and jobs a minute", [
        sum("coordinator", METRIC.trialsEnded, "trials ended"),
        ...workers.map((service) => sum(service, METRIC.jobsAnswered, `${service} jobs answered`)),
      ]),
      graph("Best so far, by run", [bestSoFar(fleet, Stack.of(this).region)]),
    );
    this.dashboard.addWidgets(
      graph("Failures", [
        sum("coordinator", METRIC.trialsFailed, "trials"),
        ...workers.map((service) => sum(service, METRIC.jobsFailed, `${service} jobs`)),
        ...["coordinator", ...workers].map((service) =>
          sum(service, METRIC.messagesRefused, `${service}: messages refused`),
        ),
        ...Object.entries(functions).map(([name, { function: fn }]) =>
          fn.metricErrors({ label: `${name} errors`, period: MINUTE }),
        ),
        ...Object.entries(queues).map(([name, { deadLetters }]) =>
          deadLetters.metricApproximateNumberOfMessagesVisible({ label: `${name} buried`, period: MINUTE }),
        ),
      ]),
      graph(
        "Age of the oldest message",
        Object.entries(queues).map(([name, { queue }]) =>
          queue.metricApproximateAgeOfOldestMessage({ label: `${name} (s)`, period: MINUTE }),
        ),
      ),
    );
    const spend = sum("coordinator", METRIC.usdSpent, "US dollars");
    this.dashboard.addWidgets(
      graph("Spend, in US dollars", [
        new MathExpression({
          expression: "RUNNING_SUM(spend)",
          usingMetrics: { spend },
          label: "since the left edge",
          period: MINUTE,
        }),
      ]),
      new SingleValueWidget({
        title: "Spend in a day, in US dollars",
        metrics: [spend.with({ period: DAY })],
        width: HALF / 2,
      }),
      new SingleValueWidget({
        title: "At work",
        metrics: Object.entries(functions).map(([name, { function: fn }]) =>
          fn.metric("ConcurrentExecutions", { statistic: Stats.MAXIMUM, label: name, period: MINUTE }),
        ),
        width: HALF / 2,
      }),
    );
  }
}

/** A metric that the functions publish (functions/metrics.ts), as a sum. */
export function fleetMetric(fleet: string, service: string, metricName: MetricName): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName,
    dimensionsMap: { fleet, service },
    statistic: Stats.SUM,
  });
}

/**
 * The best metric so far of each run, one line per run; a search expression, because the runs are not known
 * in advance.
 */
function bestSoFar(fleet: string, searchRegion: string): IMetric {
  const dimensions = `{${METRIC_NAMESPACE},fleet,run,service}`;
  return new MathExpression({
    expression: `SEARCH('${dimensions} MetricName="${METRIC.bestMetric}" fleet="${fleet}"', 'Maximum', 60)`,
    searchRegion,
    label: "",
    period: MINUTE,
  });
}

function graph(title: string, left: readonly IMetric[]): GraphWidget {
  return new GraphWidget({ title, left: [...left], width: HALF });
}
