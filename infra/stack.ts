import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { QuantFleet } from "./quant-fleet.js";
import type { QuantFleetProps } from "./quant-fleet-props.js";

/** A CloudFormation stack with one fleet, whose values for the commands are the stack's outputs. */
export class QuantFleetStack extends Stack {
  readonly fleet: QuantFleet;

  constructor(scope: Construct, id: string, props: StackProps & { readonly fleet?: QuantFleetProps } = {}) {
    super(scope, id, props);
    this.fleet = new QuantFleet(this, "QuantFleet", props.fleet);
    for (const [name, value] of Object.entries(this.fleet.outputs)) new CfnOutput(this, name, { value });
  }
}
