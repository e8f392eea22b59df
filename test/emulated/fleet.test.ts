import { describeFleet } from "./fleet-conformance.js";
import { startFleetServers } from "./fleet-servers.js";

describeFleet("the emulated AWS", startFleetServers);
