import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { METRIC_NAMESPACE, type MetricName } from "./metric-names.js";

/** CloudWatch metrics of a function. */
export interface FleetMetrics {
  /** Adds a value to a metric that is published at the end of the invocation. */
  add(name: MetricName, value: number): void;
  /** Publishes a metric's value of one run immediately. */
  publishForRun(runId: string, name: MetricName, value: number): void;
  /** Publishes the values that `add` has collected. */
  publish(): void;
}

/** Metrics in CloudWatch's embedded metric format: log lines, which need no API call. */
export class LoggedMetrics implements FleetMetrics {
  readonly #metrics: Metrics;

  constructor(service: string, fleet: string) {
    this.#metrics = new Metrics({
      namespace: METRIC_NAMESPACE,
      serviceName: service,
      defaultDimensions: { fleet },
    });
  }

  add(name: MetricName, value: number): void {
    this.#metrics.addMetric(name, MetricUnit.NoUnit, value);
  }

  publishForRun(runId: string, name: MetricName, value: number): void {
    this.#metrics.singleMetric().addDimension("run", runId).addMetric(name, MetricUnit.NoUnit, value);
  }

  publish(): void {
    if (this.#metrics.hasStoredMetrics()) this.#metrics.publishStoredMetrics();
  }
}
