/** Schedules of EventBridge Scheduler in the fleet's group, known to the stack, the functions and the commands. */

/** Wakes the coordinator while runs are under way. */
export const TICK_SCHEDULE = "tick";
/** What the Tick's schedule hands to the coordinator. */
export const TICK_INPUT = { type: "Tick" } as const;
/** Scheduled runs are named by this and their own name. */
export const RUN_SCHEDULE_PREFIX = "run-";
