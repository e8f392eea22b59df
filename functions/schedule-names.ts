/**
 * Names of EventBridge schedules in the fleet's group, shared by the stack, the functions and the commands.
 */

/** The schedule that invokes the coordinator periodically while there are active runs. */
export const TICK_SCHEDULE = "tick";
/** Input of the Tick's schedule to the coordinator. */
export const TICK_INPUT = { type: "Tick" } as const;
/** Prefix of the schedules of runs, followed by the schedule's own name. */
export const RUN_SCHEDULE_PREFIX = "run-";
