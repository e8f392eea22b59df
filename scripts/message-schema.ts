import * as z from "zod";
import { runRequestedSchema } from "../shared/run/messages.js";

/** The JSON Schema of the message that asks a fleet for a run, as docs/run-requested.schema.json holds it. */
export function messageSchemaText(): string {
  const schema = {
    title: "RunRequested",
    description:
      "Asks a fleet for a run. The body of a message to the events queue, in the message group that is the run's name; runs/<runId>/workload.json must lie in the bucket before.",
    ...z.toJSONSchema(runRequestedSchema, { io: "input" }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
