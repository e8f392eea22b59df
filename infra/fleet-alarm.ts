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
  /** Its period is how long is looked at. */
  readonly metric: IMetric;
  /** The least value that is told of. */
  readonly threshold: number;
  readonly actions: readonly IAlarmAction[];
}

/** Tells of one period in which a metric is too high; a fleet that has nothing to do is quiet. */
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
