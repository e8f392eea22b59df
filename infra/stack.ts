import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { QuantFleet } from "./quant-fleet.js";
import type { QuantFleetProps } from "./quant-fleet-props.js";

/** A stack with one fleet. */
export class QuantFleetStack extends Stack {
  readonly fleet: QuantFleet;

  constructor(scope: Construct, id: string, props: StackProps & { readonly fleet?: QuantFleetProps } = {}) {
    super(scope, id, props);
    this.fleet = new QuantFleet(this, "QuantFleet", props.fleet);
    // What `submit` and the other commands want to know.
    new CfnOutput(this, "Bucket", { value: this.fleet.bucket.bucketName });
    new CfnOutput(this, "EventsUrl", { value: this.fleet.events.queue.queueUrl });
  }
}
