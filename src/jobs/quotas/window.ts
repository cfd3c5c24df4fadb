/** A length of time in which things are counted: by slots, so that its size is bounded whatever is counted. */
export interface Span {
  readonly name: 'minute' | 'day';
  readonly ms: number;
  readonly slotMs: number;
}

export const MINUTE: Span = { name: 'minute', ms: 60_000, slotMs: 1000 };
export const DAY: Span = { name: 'day', ms: 86_400_000, slotMs: 600_000 };

/** Slots by number (time divided by their length), the oldest first: `3=1;4=20;`. */
export type Slots = readonly (readonly [slot: number, count: number])[];

type Length = Pick<Span, 'ms' | 'slotMs'>;

/** The slots of which some part lies in the span that ends now; what lies ahead (the clock was set back) does not count. */
export function readSlots(text: string | null, { ms, slotMs }: Length, now: number): Slots {
  const [first, last] = [Math.floor((now - ms) / slotMs), Math.floor(now / slotMs)];
  return [...(text ?? '').matchAll(/(\d+)=(\d+);/g)]
    .map(([, slot, count]) => [Number(slot), Number(count)] as const)
    .filter(([slot]) => slot >= first && slot <= last);
}

export const writeSlots = (slots: Slots): string => slots.map(([slot, count]) => `${slot}=${count};`).join('');

/** What was counted in the span; a slot that lies in it in part counts whole, so it is never less than the truth. */
export const countOf = (slots: Slots): number => slots.reduce((sum, [, count]) => sum + count, 0);

/** Milliseconds until fewer than `limit` are in the span; 0 when there are. */
export function untilBelow(slots: Slots, { ms, slotMs }: Length, limit: number, now: number): number {
  let tooMany = countOf(slots) - limit + 1;
  for (const [slot, count] of slots) {
    if (tooMany <= 0) break;
    tooMany -= count;
    if (tooMany <= 0) return (slot + 1) * slotMs + ms - now;
  }
  return 0;
}

/** One more (or, with -1, one less) in the slot of `at`. */
export function addToSlot(slots: Slots, { slotMs }: Length, at: number, by: 1 | -1): Slots {
  const slot = Math.floor(at / slotMs);
  const others = slots.filter(([number]) => number !== slot);
  const count = (slots.find(([number]) => number === slot)?.[1] ?? 0) + by;
  const next = count > 0 ? [...others, [slot, count] as const] : others;
  return next.sort(([a], [b]) => a - b);
}
