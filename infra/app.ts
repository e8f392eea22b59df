import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import { QuantFleetStack } from "./stack.js";

const app = new App();
new QuantFleetStack(app, "QuantFleet", { description: "quantfleet: per-layer quantization search" });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
app.synth();
