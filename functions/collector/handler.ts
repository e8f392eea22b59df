import { statisticsJobSchema } from "../../shared/run/protocol/messages.js";
import {
  carryOutUnclaimed,
  createJobHandler,
  type JobHandler,
  type JobHandlerOptions,
} from "../job-handler.js";

/**
 * The handler of the collector function, behind the queue of statistics jobs: one shard of calibration
 * samples per invocation.
 */
export function createCollectorHandler(options: JobHandlerOptions): JobHandler {
  return createJobHandler(statisticsJobSchema, (delivery) => carryOutUnclaimed(delivery, options), options);
}
