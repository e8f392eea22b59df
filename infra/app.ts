import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import { ConfigurationError } from "../shared/basics/errors.js";
import { metricModulesOf } from "./context-modules.js";
import { QuantFleetStack } from "./stack.js";

try {
  const app = new App();
  new QuantFleetStack(app, "QuantFleet", {
    description: "quantfleet: per-layer quantization search",
    fleet: { metricModules: metricModulesOf(app.node.tryGetContext("metricModules")) },
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  app.synth();
} catch (error) {
  // An error in a user's file is printed without a stack trace.
  if (!(error instanceof ConfigurationError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
