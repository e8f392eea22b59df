import type * as z from "zod";
import { toJSONSchema } from "zod";
import { section, text } from "../validation/requirement.js";
import { compression } from "./compression-schema.js";
import { engine, path } from "./engine-schema.js";
import { optimizer } from "./optimizer-schema.js";

const model = section(
  {
    model_name: text(256, "a name of 1 to 256 characters")
      .optional()
      .describe("Name of the model in reports."),
    model: path()
      .refine((file) => !/\.xml$/i.test(file), {
        error: ({ input }) =>
          `is ${JSON.stringify(input)}, a model in OpenVINO's format, which is not read here; give the ONNX model that it was made from`,
      })
      .describe("The float ONNX model: a path relative to this file, or s3://…"),
  },
  {
    weights:
      "belongs to OpenVINO's format; remove it, as an ONNX model holds its weights or names their files itself",
    cascade: "lists several models, and a run quantizes one; write a configuration for each",
  },
);

/** Schema of the user's configuration: the source of its types, checks and JSON Schema. */
export const runConfigurationSchema = section({
  $schema: text(4096, "the address of a JSON Schema").optional().describe("For editors; otherwise unused."),
  model,
  engine,
  optimizer: optimizer.prefault({}),
  compression: compression.prefault({}),
});

/** A checked configuration, with defaults filled in and paths as the user wrote them. */
export type RunConfiguration = z.output<typeof runConfigurationSchema>;

/** A configuration as a program may write it: keys with a default are optional. */
export type RunConfigurationInput = z.input<typeof runConfigurationSchema>;

/** JSON Schema (draft 2020-12) of configuration files, for editors and other tools. */
export function configurationJsonSchema(): Record<string, unknown> {
  return toJSONSchema(runConfigurationSchema, { io: "input" }) as Record<string, unknown>;
}
