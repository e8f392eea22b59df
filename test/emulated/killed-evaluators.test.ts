import { startFleetServers } from "./aws/fleet-servers.js";
import { describeKilledEvaluators } from "./killed-evaluators-conformance.js";

describeKilledEvaluators("the emulated AWS", startFleetServers);
