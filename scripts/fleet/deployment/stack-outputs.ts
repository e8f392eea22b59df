import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import * as z from "zod";
import { UsageError } from "../../../shared/basics/errors.js";
import { CLIENT_OPTIONS } from "./client-options.js";
import type { EvaluatorSize } from "./fleet.js";

/** Outputs of a quantfleet stack, as infra/stack.ts defines them. */
export const stackOutputsSchema = z.object({
  Bucket: z.string().min(3).max(63),
  EventsUrl: z.url(),
  EventsArn: z.string().regex(/^arn:[^:]+:sqs:[^:]+:/),
  ScheduleGroup: z.string().min(1),
  ScheduleRoleArn: z.string().min(1),
  ScheduleDeadLettersArn: z.string().min(1),
  Architecture: z.enum(["arm64", "x86_64"]),
  MetricModules: z.string().min(1),
  EvaluatorConcurrency: z.coerce.number().int().min(1),
  EvaluatorMegabytes: z.coerce.number().int().min(1),
});

export type StackOutputs = Readonly<z.infer<typeof stackOutputsSchema>>;

/** The size of a stack's evaluators (functions that score trials), from the stack's outputs. */
export function evaluatorsOf(outputs: StackOutputs): EvaluatorSize {
  const { EvaluatorMegabytes: megabytes, Architecture: architecture, EvaluatorConcurrency } = outputs;
  const region = outputs.EventsArn.split(":")[3] ?? "";
  return { megabytes, architecture, concurrency: EvaluatorConcurrency, region };
}

/**
 * Reads the outputs of a deployed stack with the credentials and region that the AWS SDK finds.
 * @throws {UsageError} when there is no such stack, or it is not a quantfleet stack
 */
export async function readStackOutputs(
  stack: string,
  client: CloudFormationClient = new CloudFormationClient({ ...CLIENT_OPTIONS }),
): Promise<StackOutputs> {
  const described = await describeStack(stack, client);
  const outputs = Object.fromEntries(
    described.map(({ OutputKey, OutputValue }) => [OutputKey ?? "", OutputValue]),
  );
  const parsed = stackOutputsSchema.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new UsageError(
    `Stack "${stack}" has no usable output ${String(parsed.error.issues[0]?.path[0])}; name a stack of this version of quantfleet, or deploy it again.`,
  );
}

async function describeStack(
  stack: string,
  client: CloudFormationClient,
): Promise<readonly { readonly OutputKey?: string; readonly OutputValue?: string }[]> {
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stack }));
    return (Stacks[0]?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => ({
      OutputKey,
      OutputValue,
    }));
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw new UsageError(
      `Stack "${stack}" cannot be looked up (${reason}); check its name, the region and the credentials.`,
      { cause: error },
    );
  }
}
