import type { TickSwitch } from "../../functions/coordinator/tick-switch.js";

/** A Tick inside the process, whose minutes are advanced by hand. */
export class InProcessTickSwitch implements TickSwitch {
  #isOn = false;

  constructor(private readonly onTick: () => Promise<unknown>) {}

  get isOn(): boolean {
    return this.#isOn;
  }

  async turnOn(): Promise<void> {
    this.#isOn = true;
  }

  async turnOff(): Promise<void> {
    this.#isOn = false;
  }

  async passMinute(): Promise<void> {
    if (this.#isOn) await this.onTick();
  }
}
