export { FleetFunction } from "./fleet-function.js";
export { FleetQueue } from "./fleet-queues.js";
export { QuantFleet } from "./quant-fleet.js";
export type { QuantFleetProps } from "./quant-fleet-props.js";
export { QuantFleetStack } from "./stack.js";
