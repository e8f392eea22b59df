import { readFile } from "node:fs/promises";
import * as z from "zod";
import { ConfigurationError } from "../../shared/basics/errors.js";
import type { Subject } from "../../shared/evaluation/model/tunable-model.js";
import { configurationSchema } from "../../shared/run/protocol/request.js";
import type { Configuration } from "../../shared/search/space/space.js";
import { nearest } from "../../shared/validation/requirement.js";

const MAX_BYTES = 64 * 2 ** 20;

const documentSchema = z.strictObject({
  schemaVersion: z.literal(1),
  model: z.strictObject({ name: z.string().optional(), sha256: z.string() }),
  run: z.string(),
  trial: z.number(),
  /**
   * The choice of every active parameter; parameters that are omitted have the preset configuration's choice.
   */
  choices: configurationSchema,
});

export type ConfigurationDocument = z.infer<typeof documentSchema>;

/**
 * The content of `configuration.json`: the choices of a trial, for `quantize --configuration` and later runs.
 */
export function configurationDocument(
  run: string,
  trial: number,
  choices: Configuration,
  name: string | undefined,
  { prepared }: Subject,
): ConfigurationDocument {
  return {
    schemaVersion: 1,
    model: { ...(name === undefined ? {} : { name }), sha256: prepared.sha256 },
    run,
    trial,
    choices: { ...choices },
  };
}

/**
 * Reads the choices of a `configuration.json` and checks them against the model's search space. The model
 * needs the same structure as the file's, not the same weights, so it may have been trained further.
 *
 * @throws {ConfigurationError} when the file is unreadable or invalid, or a choice does not exist in the
 * space
 */
export async function readConfigurationDocument(path: string, subject: Subject): Promise<Configuration> {
  const { choices } = parseDocument(path, await readDocument(path));
  requireKnownChoices(choices, subject, path);
  return choices;
}

/**
 * Checks that the choices of an earlier run exist in the model's search space.
 *
 * @param origin where the choices come from, for messages
 * @throws {ConfigurationError}
 */
export function requireKnownChoices(choices: Configuration, { space }: Subject, origin: string): void {
  const parameters = new Map(space.parameters.map((parameter) => [parameter.name, parameter]));
  for (const [name, value] of Object.entries(choices)) {
    const parameter = parameters.get(name);
    if (parameter === undefined) {
      const near = nearest(name, [...parameters.keys()]);
      throw new ConfigurationError(
        `choices["${name}"] in ${origin} is no parameter of this model with the configuration's scopes${near === undefined ? "" : ` (the nearest is "${near}")`}; use the model and the scopes that the file was made with.`,
        `choices["${name}"]`,
      );
    }
    if (!parameter.choices.includes(value)) {
      throw new ConfigurationError(
        `choices["${name}"] in ${origin} is ${JSON.stringify(value)}, but must be one of ${parameter.choices.map((choice) => JSON.stringify(choice)).join(", ")}.`,
        `choices["${name}"]`,
      );
    }
  }
}

async function readDocument(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigurationError(
      `${path} cannot be read (${cause.code}); give the path of a configuration.json that tune wrote.`,
      undefined,
      { cause },
    );
  });
  if (text.length > MAX_BYTES) {
    throw new ConfigurationError(
      `${path} has ${text.length} characters, more than any configuration.json; check the path.`,
    );
  }
  return text;
}

function parseDocument(path: string, text: string): ConfigurationDocument {
  try {
    return documentSchema.parse(JSON.parse(text));
  } catch (cause) {
    const where =
      cause instanceof z.ZodError
        ? ` (${cause.issues[0]?.path.join(".") || "it"}: ${cause.issues[0]?.message})`
        : "";
    throw new ConfigurationError(
      `${path} is not a configuration.json of this version${where}; give a file that tune wrote.`,
      undefined,
      { cause },
    );
  }
}
