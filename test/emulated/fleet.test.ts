import { startFleetServers } from "./aws/fleet-servers.js";
import { describeFleet } from "./fleet-conformance.js";

describeFleet("the emulated AWS", startFleetServers);
