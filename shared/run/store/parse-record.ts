import type * as z from "zod";
import { DamagedRecordError } from "./damaged-record.js";

/**
 * Parses a stored record.
 *
 * @throws DamagedRecordError if it is not JSON or does not match the schema
 */
export function parseRecord<Schema extends z.ZodType>(
  key: string,
  schema: Schema,
  body: Uint8Array,
): z.infer<Schema> {
  const parsed = schema.safeParse(parseJson(key, body));
  if (!parsed.success)
    throw new DamagedRecordError(key, "does not have the shape that this version writes", {
      cause: parsed.error,
    });
  return parsed.data;
}

/**
 * Parses the JSON of a stored record.
 *
 * @throws DamagedRecordError if it is not JSON
 */
export function parseJson(key: string, body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch (error) {
    throw new DamagedRecordError(key, "is not JSON", { cause: error });
  }
}
