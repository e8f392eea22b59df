export type { ConfigurationSource } from "./configuration.js";
export { readRuns } from "./earlier-runs.js";
export { type EvaluateResult, evaluate } from "./evaluate.js";
export { type InitOptions, type InitResult, init } from "./init.js";
export {
  type InspectedGroup,
  type InspectedTensor,
  type InspectOptions,
  type InspectResult,
  inspect,
} from "./inspect.js";
export { requireOwnResult, requireVacant, requireWritable } from "./output-folder.js";
export { type QuantizeOptions, type QuantizeResult, quantize } from "./quantize.js";
export { replay } from "./replay.js";
export { type TuneOptions, type TuneRun, tune } from "./tune.js";
