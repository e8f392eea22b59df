import type * as z from "zod";
import { toJSONSchema } from "zod";
import { section, text } from "../validation/requirement.js";
import { compression } from "./compression-schema.js";
import { engine, path } from "./engine-schema.js";
import { optimizer } from "./optimizer-schema.js";

const model = section(
  {
    model_name: text(256, "a name of 1 to 256 characters").optional().describe("A name for reports."),
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

/** The shape of the user's configuration (interface.md, "Configuration"): types, checks and JSON Schema in one. */
export const runConfigurationSchema = section({
  $schema: text(4096, "the address of a JSON Schema").optional().describe("For editors; not used otherwise."),
  model,
  engine,
  optimizer: optimizer.prefault({}),
  compression: compression.prefault({}),
});

/** The user's configuration, checked, with every default filled in and every path as the user wrote it. */
export type RunConfiguration = z.output<typeof runConfigurationSchema>;

/** The configuration as a program may write it: what has a default may be left out. */
export type RunConfigurationInput = z.input<typeof runConfigurationSchema>;

/** JSON Schema (draft 2020-12) of a configuration file, for editors and other tools. */
export function configurationJsonSchema(): Record<string, unknown> {
  return toJSONSchema(runConfigurationSchema, { io: "input" }) as Record<string, unknown>;
}
