/**
 * Names of EventBridge schedules in the fleet's group, shared by the stack, the functions and the commands.
 */

/** Name of the schedule that invokes the coordinator every minute while there are active runs. */
export const TICK_SCHEDULE = "tick";
/** Event that the Tick's schedule passes to the coordinator function. */
export const TICK_INPUT = { type: "Tick" } as const;
/** Prefix of the names of schedules that start runs; the name that the user gave follows. */
export const RUN_SCHEDULE_PREFIX = "run-";
