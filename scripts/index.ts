export {
  ConfigurationError,
  DataError,
  type ErrorCode,
  ModelError,
  QuantfleetError,
  RunError,
  UsageError,
} from "../shared/basics/errors.js";
export { setMemoryLimit } from "../shared/basics/memory-limit.js";
export { configurationJsonSchema, type RunConfigurationInput } from "../shared/configuration/schema.js";
export { hardwareJsonSchema } from "../shared/quantization/device/hardware-schema.js";
export type { Progress } from "../shared/run/result/progress.js";
export type { RunResult } from "../shared/run/result/result.js";
export type { RunWarning } from "../shared/validation/warnings.js";
export {
  type ConfigurationSource,
  type EvaluateResult,
  evaluate,
  type InitOptions,
  type InitResult,
  type InspectOptions,
  type InspectResult,
  init,
  inspect,
  type QuantizeOptions,
  type QuantizeResult,
  quantize,
  replay,
  type TuneOptions,
  type TuneRun,
  tune,
} from "./api/index.js";
export {
  addSchedule,
  type CostEstimate,
  cancel,
  connectFleet,
  connectSchedules,
  connectStack,
  type EarlierRunName,
  estimate,
  type FetchOptions,
  type Fleet,
  type FleetOutputs,
  type FollowOptions,
  fetchResult,
  follow,
  type ListedSchedule,
  listSchedules,
  type ReadOptions,
  type RunView,
  removeSchedule,
  type ScheduleOptions,
  type ScheduleTarget,
  type ScheduleTime,
  type SubmitOptions,
  type SubmittedRun,
  status,
  submit,
  submitRun,
  type TrialView,
  writeRunDocuments,
} from "./fleet/index.js";
