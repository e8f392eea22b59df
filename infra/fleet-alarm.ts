import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";

interface FleetAlarmProps {
  readonly description: string;
  /** The metric that the alarm watches; the metric's period is the alarm's evaluation period. */
  readonly metric: IMetric;
  /** The alarm is raised at this value or above. */
  readonly threshold: number;
  readonly actions: readonly IAlarmAction[];
}

/** Adds an alarm for a metric that reaches its threshold in one period; missing data does not raise it. */
export function addAlarm(
  scope: Construct,
  id: string,
  { description, metric, threshold, actions }: FleetAlarmProps,
): void {
  const alarm = new Alarm(scope, id, {
    alarmDescription: description,
    metric,
    threshold,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(...actions);
}
