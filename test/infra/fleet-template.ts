import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import type { QuantFleetProps } from "../../infra/quant-fleet-props.js";
import { QuantFleetStack } from "../../infra/stack.js";

/** The content of bundles does not affect a template. */
export const CONTEXT = { "aws:cdk:bundling-stacks": [] };

export function templateOf(fleet: QuantFleetProps = {}): Template {
  const app = new App({ context: CONTEXT });
  return Template.fromStack(new QuantFleetStack(app, "Fleet", { fleet }));
}

export interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

export function statements(template: Template): Statement[] {
  const policies = Object.values(template.findResources("AWS::IAM::Policy"));
  return policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
}
