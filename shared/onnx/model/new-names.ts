/** Names for new nodes and tensors that nobody in a model has: models hold tensors that are called `x/scale` too. */
export class NewNames {
  readonly #given = new Set<string>();

  /** @param taken the names in the model, those in nested graphs included */
  constructor(private readonly taken: ReadonlySet<string>) {}

  name(wanted: string): string {
    let name = wanted;
    for (let again = 1; this.#isTaken(name); again++) name = `${wanted}/${again}`;
    this.#given.add(name);
    return name;
  }

  /** A prefix that is free together with each of the endings behind it. */
  prefix(wanted: string, endings: readonly string[]): string {
    let prefix = wanted;
    const isTaken = (ending: string): boolean => this.#isTaken(`${prefix}/${ending}`);
    for (let again = 1; endings.some(isTaken); again++) prefix = `${wanted}/${again}`;
    for (const ending of endings) this.#given.add(`${prefix}/${ending}`);
    return prefix;
  }

  #isTaken(name: string): boolean {
    return this.taken.has(name) || this.#given.has(name);
  }
}
