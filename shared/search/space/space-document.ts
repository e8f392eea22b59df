import * as z from "zod";
import { ConfigurationError } from "../../basics/errors.js";
import type { Choice, Space } from "./space.js";

/** Limits for a space document, so that none can claim much more memory than the space of a real model. */
const MAX_PARAMETERS = 20_000;
const MAX_CHOICES = 4_096;
const MAX_NAME_LENGTH = 1_024;

const choiceSchema = z.union([z.string().max(MAX_NAME_LENGTH), z.number(), z.boolean()]);
const nameSchema = z.string().min(1).max(MAX_NAME_LENGTH);

const parameterSchema = z.strictObject({
  name: nameSchema,
  group: nameSchema,
  family: nameSchema.exactOptional(),
  kind: z.enum(["categorical", "ordinal"]),
  choices: z.array(choiceSchema).min(1).max(MAX_CHOICES),
  when: z
    .strictObject({ parameter: nameSchema, in: z.array(choiceSchema).min(1).max(MAX_CHOICES) })
    .exactOptional(),
});

/** The schema of `space.json`. Unique names and conditions are checked by {@link validateSpace}. */
export const spaceSchema = z.array(parameterSchema).max(MAX_PARAMETERS);

/**
 * Reads a space from a parsed JSON document.
 *
 * @throws ConfigurationError naming the first invalid value and its path
 */
export function parseSpace(document: unknown): Space {
  const parsed = spaceSchema.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const path = ["space", ...issue.path].join(".");
    throw new ConfigurationError(`${path}: ${issue.message}; correct it in the space document.`, path);
  }
  validateSpace(parsed.data);
  return parsed.data;
}

/**
 * Checks what the schema cannot: that names and choices are unique, and that conditions name earlier
 * parameters and their choices.
 *
 * @throws ConfigurationError
 */
export function validateSpace(space: Space): void {
  const choicesOf = new Map<string, ReadonlySet<Choice>>();
  for (const [index, { name, choices, when }] of space.entries()) {
    const path = `space.${index}`;
    if (choicesOf.has(name)) {
      throw new ConfigurationError(
        `${path}.name: the parameter "${name}" is listed twice; name it once.`,
        path,
      );
    }
    const distinct = new Set(choices);
    if (distinct.size !== choices.length) {
      throw new ConfigurationError(`${path}.choices: "${name}" lists a choice twice; list each once.`, path);
    }
    if (distinct.size === 0) {
      throw new ConfigurationError(
        `${path}.choices: "${name}" has no choice; list one or leave the parameter out.`,
        path,
      );
    }
    if (when !== undefined) {
      const parentChoices = choicesOf.get(when.parameter);
      if (parentChoices === undefined) {
        throw new ConfigurationError(
          `${path}.when: "${name}" depends on "${when.parameter}", which does not stand before it; list it earlier.`,
          path,
        );
      }
      for (const choice of when.in) {
        if (!parentChoices.has(choice)) {
          throw new ConfigurationError(
            `${path}.when: "${when.parameter}" has no choice ${JSON.stringify(choice)}; use one of its choices.`,
            path,
          );
        }
      }
    }
    choicesOf.set(name, distinct);
  }
}
