/** A moment at which something falls due. */
export interface Due<T> {
  readonly at: number;
  readonly item: T;
}

/** Takes things with a due time and gives them back in order of time; equal times in order of entry. */
export interface DueHeap<T> {
  push(at: number, item: T): void;
  /** Removes and returns the earliest entry that is due at `now`. */
  pop(now: number): Due<T> | null;
  clear(): void;
}

interface Entry<T> extends Due<T> {
  readonly order: number;
}

const earlier = <T>(a: Entry<T>, b: Entry<T>): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function sink<T>(heap: Entry<T>[], last: Entry<T>): void {
  let at = 0;
  for (;;) {
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    const useRight = right !== undefined && left !== undefined && earlier(right, left);
    const child = useRight ? right : left;
    if (child === undefined || !earlier(child, last)) break;
    heap[at] = child;
    at = 2 * at + (useRight ? 2 : 1);
  }
  heap[at] = last;
}

function rise<T>(heap: Entry<T>[], entry: Entry<T>): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || !earlier(entry, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = entry;
}

/** Makes an empty heap. */
export function createDueHeap<T>(): DueHeap<T> {
  const heap: Entry<T>[] = [];
  let order = 0;
  return {
    push: (at, item) => rise(heap, { at, item, order: order++ }),
    pop(now) {
      const first = heap[0];
      if (first === undefined || first.at > now) return null;
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) sink(heap, last);
      return first;
    },
    clear: () => void heap.splice(0),
  };
}
