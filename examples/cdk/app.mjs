import { App, CfnOutput, Size, Stack } from "aws-cdk-lib";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { AccountRootPrincipal, Role } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import { QuantFleet } from "quantfleet/cdk";

const app = new App({ outdir: process.env.CDK_OUTDIR ?? "cdk.out" });
const stack = new Stack(app, "Compression");
const alarms = new Topic(stack, "Alarms", { enforceSSL: true });

const fleet = new QuantFleet(stack, "Fleet", {
  evaluatorMemory: Size.mebibytes(3_008),
  evaluatorConcurrency: 20,
  collectorConcurrency: 4,
  budgetUsdPerDay: 10,
  alarmActions: [new SnsAction(alarms)],
});

fleet.grantUse(new Role(stack, "Users", { assumedBy: new AccountRootPrincipal() }));

for (const [name, value] of Object.entries(fleet.outputs)) new CfnOutput(stack, name, { value });

app.synth();
console.log(`Wrote the template of ${stack.stackName}.`);
