/**
 * Turns the Tick on and off, which is to come only while a run is. Both can be done twice without harm. Every adapter
 * passes the conformance suite in test/functions.
 */
export interface TickSwitch {
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
}
