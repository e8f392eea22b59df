/** A value that a parameter can take; what `trials.jsonl` and `configuration.json` show. */
export type Choice = string | number | boolean;

/**
 * One dimension of the search (search.md, "The space").
 *
 * `ordinal` choices are listed in their natural order. A parameter with `when` exists in a configuration only
 * if the named parameter does and holds one of the listed values; the named parameter stands earlier in the
 * space.
 */
export interface Parameter {
  readonly name: string;
  readonly group: string;
  /**
   * Parameters of one family ask the same question of different groups, and share their choices. A parameter that is a
   * family of its own, named as itself, asks a question of the whole model.
   */
  readonly family?: string;
  readonly kind: "categorical" | "ordinal";
  readonly choices: readonly Choice[];
  readonly when?: { readonly parameter: string; readonly in: readonly Choice[] };
}

export type Space = readonly Parameter[];

/** A value for every active parameter, and none for an inactive one. */
export type Configuration = Readonly<Record<string, Choice>>;
