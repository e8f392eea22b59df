/** Disjoint sets of names (union-find), which can be joined and listed. */
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

  /**
   * Joins the sets of two names, adding names that are new; the representative of `first` becomes that of the
   * union.
   */
  union(first: string, second: string): void {
    this.add(first);
    this.add(second);
    const root = this.find(first);
    this.#parents.set(this.find(second), root);
  }

  /** The members of each set, by the set's representative, in the order in which first members were added. */
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
