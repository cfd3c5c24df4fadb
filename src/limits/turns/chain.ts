/** What can stand in one {@link Chain}. */
export abstract class Link<T> {
  before: T | null = null;
  after: T | null = null;
}

/** A doubly linked list whose members carry the links themselves: everything is O(1), nothing is allocated. */
export class Chain<T extends Link<T>> {
  head: T | null = null;
  size = 0;
  #tail: T | null = null;

  push(member: T): void {
    member.before = this.#tail;
    member.after = null;
    if (this.#tail === null) this.head = member;
    else this.#tail.after = member;
    this.#tail = member;
    this.size += 1;
  }

  /** The member must stand in this chain. */
  remove(member: T): void {
    const { before, after } = member;
    if (before === null) this.head = after;
    else before.after = after;
    if (after === null) this.#tail = before;
    else after.before = before;
    member.before = null;
    member.after = null;
    this.size -= 1;
  }

  /** Sends the first to the end. */
  rotate(): void {
    const { head } = this;
    if (head === null || head.after === null) return;
    this.remove(head);
    this.push(head);
  }
}
