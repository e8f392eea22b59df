/**
 * Makes names for new nodes and tensors that are unused in the model, which may already have a tensor named
 * `x_scale`.
 */
export class NewNames {
  readonly #given = new Set<string>();

  /** @param taken all names in the model, including those in nested graphs */
  constructor(private readonly taken: ReadonlySet<string>) {}

  name(wanted: string): string {
    let name = wanted;
    for (let again = 1; this.#isTaken(name); again++) name = `${wanted}/${again}`;
    this.#given.add(name);
    return name;
  }

  /** A prefix, made from `wanted`, with which none of the names `prefix` + `ending` is in use. */
  prefix(wanted: string, endings: readonly string[]): string {
    let prefix = wanted;
    const isTaken = (ending: string): boolean => this.#isTaken(`${prefix}${ending}`);
    for (let again = 1; endings.some(isTaken); again++) prefix = `${wanted}/${again}`;
    for (const ending of endings) this.#given.add(`${prefix}${ending}`);
    return prefix;
  }

  #isTaken(name: string): boolean {
    return this.taken.has(name) || this.#given.has(name);
  }
}
