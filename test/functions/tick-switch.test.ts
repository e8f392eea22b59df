import { after } from "node:test";
import { SchedulerTickSwitch } from "../../functions/coordinator/scheduler-tick-switch.js";
import { type SchedulerServer, startSchedulerServer } from "../emulated/aws/scheduler-server.js";
import { InProcessTickSwitch } from "./in-process-tick-switch.js";
import { describeTickSwitch } from "./tick-switch-conformance.js";

const servers: SchedulerServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

describeTickSwitch("within the process", async () => {
  let count = 0;
  const tick = new InProcessTickSwitch(async () => count++);
  return { tick, passMinute: () => tick.passMinute(), ticks: () => count };
});

describeTickSwitch("EventBridge Scheduler", async () => {
  let count = 0;
  const server = await startSchedulerServer(async () => void count++);
  servers.push(server);
  server.create("tick", {
    GroupName: "fleet",
    ScheduleExpression: "rate(1 minute)",
    FlexibleTimeWindow: { Mode: "OFF" },
    State: "DISABLED",
    Target: { Arn: "arn:aws:lambda:us-east-1:000000000000:function:c", RoleArn: "arn:aws:iam::0:role/r" },
  });
  const tick = new SchedulerTickSwitch({ client: server.client, group: "fleet", name: "tick" });
  return { tick, passMinute: () => server.passMinute(), ticks: () => count };
});
