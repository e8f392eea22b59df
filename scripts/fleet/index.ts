export { connectFleet, connectSchedules, connectStack, type FleetOutputs } from "./deployment/connect.js";
export type { Fleet, ScheduleTarget } from "./deployment/fleet.js";
export type { EarlierRunName } from "./following/earlier-run.js";
export { type FollowOptions, follow } from "./following/follow.js";
export type { ReadOptions } from "./following/open-run.js";
export type { RunView, TrialView } from "./following/run-view.js";
export { cancel, type FetchOptions, fetchResult, status } from "./following/runs.js";
export {
  addSchedule,
  type ListedSchedule,
  listSchedules,
  removeSchedule,
  type ScheduleOptions,
  type ScheduleTime,
} from "./schedules.js";
export type { CostEstimate } from "./submission/cost-estimate.js";
export type { UploadProgress } from "./submission/file-upload.js";
export { estimate, type SubmitOptions, submit, submitRun, writeRunDocuments } from "./submission/submit.js";
export { SubmittedRun } from "./submission/submitted-run.js";
