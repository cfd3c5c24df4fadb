/** Something that is under way; `place` belongs to the list that holds it. */
export interface Entry {
  place: number;
}

/**
 * What is under way, to be swept and cut. A plain list, in which the last entry takes the place of one that leaves: a Set
 * that takes and gives thousands of entries a second is rebuilt so often that its old tables keep every entry alive until
 * the next full garbage collection.
 */
export class Running<T extends Entry> {
  readonly #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(entry: T): void {
    entry.place = this.#entries.length;
    this.#entries.push(entry);
  }

  delete(entry: T): void {
    if (this.#entries[entry.place] !== entry) return;
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return;
    this.#entries[entry.place] = last;
    last.place = entry.place;
  }

  /** A copy, so that entries may leave while it is walked. */
  all(): readonly T[] {
    return [...this.#entries];
  }
}
