import * as z from "zod";
import type { SynthesizedStack } from "./synthesized-stack.js";

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string())]);

const policySchema = z.looseObject({
  Roles: z.array(z.unknown()),
  PolicyDocument: z.object({
    Statement: z.array(
      z.looseObject({ Effect: z.literal("Allow"), Action: oneOrMore, Resource: z.unknown() }),
    ),
  }),
});

interface Permission {
  readonly role: unknown;
  readonly action: string;
  readonly resource: RegExp;
}

/** Permissions of the roles of a stack on objects, from the policies of its template. */
export class ObjectPermissions {
  readonly #permissions: readonly Permission[];

  /** @param stack with its bucket and roles deployed */
  constructor(stack: SynthesizedStack) {
    this.#permissions = stack.resources("AWS::IAM::Policy").flatMap(({ properties }) => {
      const { Roles, PolicyDocument } = policySchema.parse(properties);
      const ofObjects = PolicyDocument.Statement.filter(({ Action }) => Action[0]?.startsWith("s3:"));
      return ofObjects.flatMap(({ Action, Resource }) => {
        const resources = oneOrMore.parse(stack.resolve(Resource)).map(toPattern);
        return Roles.map((role) => stack.resolve(role)).flatMap((role) =>
          Action.flatMap((action) => resources.map((resource) => ({ role, action, resource }))),
        );
      });
    });
  }

  allows(role: string, action: string, arn: string): boolean {
    return this.#permissions.some(
      (permission) =>
        permission.role === role && permission.action === action && permission.resource.test(arn),
    );
  }
}

/** IAM's `*` matches everything, slashes included. */
function toPattern(arn: string): RegExp {
  const parts = arn.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
