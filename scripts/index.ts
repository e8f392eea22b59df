export {
  ConfigurationError,
  DataError,
  type ErrorCode,
  ModelError,
  QuantfleetError,
  RunError,
  UsageError,
} from "../shared/errors.js";
export { setMemoryLimit } from "../shared/memory-limit.js";
export { hardwareJsonSchema } from "../shared/quantization/hardware-schema.js";
export { configurationJsonSchema, type RunConfigurationInput } from "../shared/run/configuration/schema.js";
export type { Progress } from "../shared/run/progress.js";
export type { RunResult } from "../shared/run/result.js";
export type { RunWarning } from "../shared/run/warnings.js";
export type { ConfigurationSource } from "./api/configuration.js";
export { type EvaluateResult, evaluate } from "./api/evaluate.js";
export { type InspectOptions, type InspectResult, inspect } from "./api/inspect.js";
export { type QuantizeOptions, type QuantizeResult, quantize } from "./api/quantize.js";
export { replay } from "./api/replay.js";
export { type TuneOptions, type TuneRun, tune } from "./api/tune.js";
export { connectFleet, connectSchedules, connectStack, type FleetOutputs } from "./fleet/connect.js";
export type { CostEstimate } from "./fleet/cost-estimate.js";
export type { EarlierRunName } from "./fleet/earlier-run.js";
export { type FollowOptions, follow } from "./fleet/follow.js";
export type { RunView, TrialView } from "./fleet/run-view.js";
export { cancel, type FetchOptions, fetchResult, type ReadOptions, status } from "./fleet/runs.js";
export {
  addSchedule,
  type ListedSchedule,
  listSchedules,
  removeSchedule,
  type ScheduleOptions,
  type ScheduleTarget,
  type ScheduleTime,
} from "./fleet/schedules.js";
export {
  estimate,
  type Fleet,
  type SubmitOptions,
  submit,
  submitRun,
  writeRunDocuments,
} from "./fleet/submit.js";
export type { SubmittedRun } from "./fleet/submitted-run.js";
