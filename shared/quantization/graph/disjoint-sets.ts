/** Union-find over names; the representative of a set is whichever member was added to it first. */
export class DisjointSets {
  readonly #parents = new Map<string, string>();

  add(name: string): void {
    if (!this.#parents.has(name)) this.#parents.set(name, name);
  }

  has(name: string): boolean {
    return this.#parents.has(name);
  }

  find(name: string): string {
    let root = name;
    for (let parent = this.#parents.get(root); parent !== undefined && parent !== root; ) {
      root = parent;
      parent = this.#parents.get(root);
    }
    this.#parents.set(name, root);
    return root;
  }

  /** Adds both names if they are new; the set of `first` lends its representative. */
  union(first: string, second: string): void {
    this.add(first);
    this.add(second);
    const root = this.find(first);
    this.#parents.set(this.find(second), root);
  }

  /** The sets in the order in which their first members were added. */
  sets(): Map<string, string[]> {
    const sets = new Map<string, string[]>();
    for (const name of this.#parents.keys()) {
      const root = this.find(name);
      const members = sets.get(root);
      if (members === undefined) sets.set(root, [name]);
      else members.push(name);
    }
    return sets;
  }
}
