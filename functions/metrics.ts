import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { METRIC_NAMESPACE, type MetricName } from "./metric-names.js";

/** What a function tells about its work. */
export interface FleetMetrics {
  /** Adds to what is told with this invocation. */
  add(name: MetricName, value: number): void;
  /** Tells a value of one run, at once. */
  tellOfRun(runId: string, name: MetricName, value: number): void;
  /** Tells what was added. */
  publish(): void;
}

/** Metrics as log lines in CloudWatch's embedded format, which cost no call. */
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

  tellOfRun(runId: string, name: MetricName, value: number): void {
    this.#metrics.singleMetric().addDimension("run", runId).addMetric(name, MetricUnit.NoUnit, value);
  }

  publish(): void {
    if (this.#metrics.hasStoredMetrics()) this.#metrics.publishStoredMetrics();
  }
}
