/**
 * Turns on and off the schedule that sends Ticks (periodic checks of deadlines), which is needed only while
 * there are active runs. Both methods are idempotent. Every adapter passes the conformance suite in
 * test/functions.
 */
export interface TickSwitch {
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
}
