import { statisticsJobSchema } from "../../shared/run/protocol/messages.js";
import {
  carryOutUnclaimed,
  createJobHandler,
  type JobHandler,
  type JobHandlerOptions,
} from "../job-handler.js";

/** The collector as a function behind the queue of statistics jobs: a shard of calibration samples an invocation. */
export function createCollectorHandler(options: JobHandlerOptions): JobHandler {
  return createJobHandler(statisticsJobSchema, (delivery) => carryOutUnclaimed(delivery, options), options);
}
