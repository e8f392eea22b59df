import type * as z from "zod";
import { toJSONSchema } from "zod";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
  /** Schema of a list's elements; `false` when none may follow the elements of a tuple. */
  readonly items?: Schema | readonly Schema[] | boolean;
}

/**
 * Paths of the configuration's objects that have a key of this name, such as `optimizer.params`; outermost
 * first.
 */
export function placesOfKey(key: string, schema: z.ZodType): readonly string[] {
  const places = new Set<string>();
  const visit = (at: Schema, path: string): void => {
    for (const [name, inner] of Object.entries(at.properties ?? {})) {
      if (name === key && path !== "") places.add(path);
      visit(inner, path === "" ? name : `${path}.${name}`);
    }
    for (const variant of [...(at.anyOf ?? []), ...(at.oneOf ?? [])]) visit(variant, path);
    if (typeof at.additionalProperties === "object") visit(at.additionalProperties, `${path}.<name>`);
    if (typeof at.items === "object" && !Array.isArray(at.items)) visit(at.items as Schema, `${path}[…]`);
  };
  visit(toJSONSchema(schema, { io: "input" }) as Schema, "");
  return [...places].sort((a, b) => depth(a) - depth(b));
}

function depth(path: string): number {
  return path.split(".").length;
}
