/** A value that a parameter can take, as written to `trials.jsonl` and `configuration.json`. */
export type Choice = string | number | boolean;

/**
 * One dimension of the search space.
 *
 * `ordinal` choices are listed in their natural order. A parameter with `when` is conditional: it is active
 * only if the named parameter is active and has one of the listed values; the named parameter comes earlier
 * in the space.
 */
export interface Parameter {
  readonly name: string;
  readonly group: string;
  /**
   * Parameters of one family decide the same thing for different groups (such as the activation mode of each
   * layer) and have the same choices. A parameter whose family is its own name decides something for the
   * whole model.
   */
  readonly family?: string;
  readonly kind: "categorical" | "ordinal";
  readonly choices: readonly Choice[];
  readonly when?: { readonly parameter: string; readonly in: readonly Choice[] };
}

export type Space = readonly Parameter[];

/** A value for every active parameter, and none for an inactive one. */
export type Configuration = Readonly<Record<string, Choice>>;
