/**
 * Turns the Tick's schedule on and off, which is needed only while there are active runs. Both are
 * idempotent. Every adapter passes the conformance suite in test/functions.
 */
export interface TickSwitch {
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
}
