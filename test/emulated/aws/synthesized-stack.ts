import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { AccountRootPrincipal, Role } from "aws-cdk-lib/aws-iam";
import * as z from "zod";
import type { QuantFleetProps } from "../../../infra/quant-fleet-props.js";
import { QuantFleetStack } from "../../../infra/stack.js";

const resourceSchema = z.looseObject({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  Metadata: z.looseObject({ "aws:asset:path": z.string().optional() }).optional(),
});

const templateSchema = z.looseObject({
  Resources: z.record(z.string(), resourceSchema),
  Outputs: z.record(z.string(), z.looseObject({ Value: z.unknown() })),
});

export interface Resource {
  readonly id: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** Folder of a function's files. */
  readonly assetFolder: string | undefined;
}

/** Names of a deployed resource. */
export interface Deployed {
  readonly ref: string;
  readonly arn: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Role of the user of the commands. */
const USER = "User";

/** A stack as CDK passes it to CloudFormation: its template and the files of its functions. */
export class SynthesizedStack {
  readonly #template: z.infer<typeof templateSchema>;
  readonly #folder: string;
  readonly #deployed = new Map<string, Deployed>();

  /** @param folder output folder of CDK */
  constructor(folder: string, fleet: QuantFleetProps) {
    const app = new App({ outdir: folder, context: { "aws:cdk:enable-asset-metadata": true } });
    const stack = new QuantFleetStack(app, "QuantFleet", { fleet });
    stack.fleet.grantUse(new Role(stack, USER, { assumedBy: new AccountRootPrincipal() }));
    this.#template = templateSchema.parse(app.synth().getStackArtifact(stack.artifactId).template);
    this.#folder = folder;
  }

  resources(type: string): readonly Resource[] {
    return Object.entries(this.#template.Resources)
      .filter(([, { Type }]) => Type === type)
      .map(([id, { Properties, Metadata }]) => {
        const path = Metadata?.["aws:asset:path"];
        return { id, properties: Properties, assetFolder: path && join(this.#folder, path) };
      });
  }

  /** Sets the names of a deployed resource, for references to it. */
  deployed(id: string, names: Deployed): void {
    this.#deployed.set(id, names);
  }

  /** A value of the template with its references resolved, as CloudFormation does. */
  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolve(item));
    if (typeof value !== "object" || value === null) return value;
    const [[key, operand] = [], ...others] = Object.entries(value);
    if (others.length === 0) {
      if (key === "Ref") return this.#pseudo(operand) ?? this.#find(operand).ref;
      if (key === "Fn::GetAtt") return this.#attribute(operand as [string, string]);
      if (key === "Fn::Join") {
        const [separator, parts] = operand as [string, unknown[]];
        return parts.map((part) => this.resolve(part)).join(separator);
      }
    }
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.resolve(item)]));
  }

  /** The role with the permissions to use the fleet, and no others. */
  get user(): string {
    const [user] = this.resources("AWS::IAM::Role").filter(({ id }) => id.startsWith(USER));
    if (user === undefined) throw new Error(`The stack has no role ${USER}.`);
    return user.id;
  }

  outputs(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.#template.Outputs).map(([name, { Value }]) => [name, String(this.resolve(Value))]),
    );
  }

  #pseudo(name: unknown): string | undefined {
    switch (name) {
      case "AWS::Region":
        return "us-east-1";
      case "AWS::AccountId":
        return "000000000000";
      case "AWS::Partition":
        return "aws";
      case "AWS::URLSuffix":
        return "amazonaws.com";
      default:
        return undefined;
    }
  }

  #attribute([id, name]: [string, string]): string {
    const { arn, attributes = {} } = this.#find(id);
    const value = name === "Arn" ? arn : attributes[name];
    if (value === undefined) throw new Error(`${id} has no attribute ${name} here.`);
    return value;
  }

  #find(id: unknown): Deployed {
    const found = this.#deployed.get(String(id));
    if (found === undefined) throw new Error(`The template refers to ${String(id)}, which is not deployed.`);
    return found;
  }
}
