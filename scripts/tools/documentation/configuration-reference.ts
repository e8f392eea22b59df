import { configurationJsonSchema } from "../../../shared/configuration/schema.js";

/** The keywords of JSON Schema that the configuration's schema uses. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema | false;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/**
 * The keys of a configuration with values, limits, defaults and meanings, as Markdown: one table per object.
 * An object that occurs several times is written where it occurs first.
 */
export function configurationReference(): string {
  const writer = new ReferenceWriter();
  writer.section("The file", configurationJsonSchema() as Schema);
  return writer.sections.join("\n");
}

class ReferenceWriter {
  readonly sections: string[] = [];
  private readonly written = new Map<string, string>();

  section(title: string, schema: Schema): void {
    const inner: [title: string, schema: Schema][] = [];
    const rows = Object.entries(schema.properties ?? {}).map(([key, property]) => {
      const path = title === "The file" ? key : `${title}.${key}`;
      const value = this.valueOf(path, property, inner);
      const required = schema.required?.includes(key) && property.default === undefined;
      return `| \`${key}\` | ${value} | ${required ? "needed" : defaultOf(property)} | ${property.description ?? ""} |`;
    });
    const about = schema.description === undefined ? "" : `${schema.description}\n\n`;
    this.sections.push(
      `## ${title === "The file" ? title : `\`${title}\``}\n\n${about}| key | value | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`,
    );
    for (const [innerTitle, innerSchema] of inner) this.section(innerTitle, innerSchema);
  }

  /** Describes the values that a schema allows; objects without a table so far are added to `inner`. */
  private valueOf(path: string, schema: Schema, inner: [string, Schema][]): string {
    const variants = schema.anyOf ?? schema.oneOf;
    if (variants !== undefined) {
      return variants.map((variant) => this.variantAt(path, variant, inner)).join(" or ");
    }
    if (schema.properties !== undefined) return this.objectAt(path, schema, inner);
    if (schema.type === "object" && schema.additionalProperties) {
      return `object: name to ${this.valueOf(`${path}.<name>`, schema.additionalProperties, inner)}`;
    }
    if (schema.type === "array") return this.listAt(path, schema, inner);
    return scalar(schema);
  }

  /**
   * Describes a variant that its `name` identifies; a variant of only name and params is described by its
   * params.
   */
  private variantAt(path: string, variant: Schema, inner: [string, Schema][]): string {
    const name = variant.properties?.name?.const;
    if (typeof name !== "string") return this.valueOf(path, variant, inner);
    const params = variant.properties?.params;
    return params === undefined
      ? this.valueOf(`${path} ${name}`, variant, inner)
      : `name ${name} with params ${this.valueOf(`${name} params`, params, inner)}`;
  }

  private objectAt(path: string, schema: Schema, inner: [string, Schema][]): string {
    const { description: _, default: __, ...shape } = schema;
    const content = JSON.stringify(shape);
    const title = this.written.get(content) ?? titleOf(path);
    if (!this.written.has(content)) {
      this.written.set(content, title);
      inner.push([title, schema]);
    }
    return `[\`${title}\`](#${anchor(title)})`;
  }

  private listAt(path: string, schema: Schema, inner: [string, Schema][]): string {
    if (schema.prefixItems !== undefined) {
      return `[${schema.prefixItems.map((item) => this.valueOf(path, item, inner)).join(", ")}]`;
    }
    const bounds = schema.maxItems === undefined ? "" : ` of ${schema.minItems ?? 0} to ${schema.maxItems}`;
    return `list${bounds}: ${schema.items ? this.valueOf(`${path}[]`, schema.items, inner) : "anything"}`;
  }
}

/**
 * Title of an object's table: objects common to all algorithms have their own name, not that of the first
 * algorithm.
 */
function titleOf(path: string): string {
  return path.replace(/^\w+ params\./, "");
}

/** The anchor that GitHub generates for a heading. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .replace(/\s/g, "-");
}

function defaultOf({ default: value, properties }: Schema): string {
  if (value === undefined || properties !== undefined) return "";
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? ""
    : `\`${JSON.stringify(value)}\``;
}

function scalar(schema: Schema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  switch (schema.type) {
    case undefined:
      return "anything";
    case "integer":
      return `whole number, ${schema.minimum} to ${schema.maximum}`;
    case "number":
      if (schema.minimum === undefined && schema.exclusiveMinimum === undefined) return "number";
      return schema.exclusiveMinimum === undefined
        ? `number, ${schema.minimum} to ${schema.maximum}`
        : `number, above ${schema.exclusiveMinimum} and below ${schema.exclusiveMaximum}`;
    case "boolean":
      return "`true` or `false`";
    case "null":
      return "`null`";
    default:
      return "text";
  }
}
