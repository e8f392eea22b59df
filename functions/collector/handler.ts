import { statisticsJobSchema } from "../../shared/run/protocol/messages.js";
import {
  carryOutUnclaimed,
  createJobHandler,
  type JobHandler,
  type JobHandlerOptions,
} from "../job-handler.js";

/**
 * The handler of the collector function, which receives statistics jobs from their queue: each invocation
 * gathers the statistics of one shard (part) of the calibration samples.
 */
export function createCollectorHandler(options: JobHandlerOptions): JobHandler {
  return createJobHandler(statisticsJobSchema, (delivery) => carryOutUnclaimed(delivery, options), options);
}
