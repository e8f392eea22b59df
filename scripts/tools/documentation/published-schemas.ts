import * as z from "zod";
import { runConfigurationSchema } from "../../../shared/configuration/schema.js";
import { hardwareJsonSchema } from "../../../shared/quantization/device/hardware-schema.js";
import { runRequestedSchema } from "../../../shared/run/protocol/messages.js";

function messageJsonSchema(): Record<string, unknown> {
  return {
    title: "RunRequested",
    description:
      "Asks a fleet for a run. The body of a message to the events queue, in the message group that is the run's name; runs/<runId>/workload.json must lie in the bucket before.",
    ...z.toJSONSchema(runRequestedSchema, { io: "input" }),
  };
}

/** The configuration's schema, with references for repeated parts, which make it a tenth as long. */
function configurationJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(runConfigurationSchema, { io: "input", reused: "ref" });
}

const PUBLISHED = {
  "configuration.schema.json": configurationJsonSchema,
  "hardware.schema.json": hardwareJsonSchema,
  "run-requested.schema.json": messageJsonSchema,
} satisfies Record<string, () => Record<string, unknown>>;

export type PublishedSchema = keyof typeof PUBLISHED;

export const PUBLISHED_SCHEMAS = Object.keys(PUBLISHED) as PublishedSchema[];

/** Text of a JSON Schema in docs/reference/schemas, generated from the schema that is used for validation. */
export function publishedSchemaText(name: PublishedSchema): string {
  return `${JSON.stringify(PUBLISHED[name](), null, 2)}\n`;
}
