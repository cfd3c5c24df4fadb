import { html, type Markup } from './markup.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const UNITS = [
  [DAY, 'day'],
  [HOUR, 'hour'],
  [MINUTE, 'minute'],
] as const;

const count = (n: number, unit: string): string => `${n} ${unit}${n === 1 ? '' : 's'}`;

/** A length of time in words, rounded down to its largest unit; `ms` in milliseconds. */
export function lengthOf(ms: number): string {
  for (const [size, unit] of UNITS) if (ms >= size) return count(Math.floor(ms / size), unit);
  return count(Math.max(0, Math.floor(ms / 1000)), 'second');
}

/** A length of time that is an exact number of days, hours or minutes if it can be; `ms` in milliseconds. */
export function exactLength(ms: number): string {
  for (const [size, unit] of UNITS) if (ms >= size && ms % size === 0) return count(ms / size, unit);
  return count(Math.round(ms / 1000), 'second');
}

/** How far a time is from now, in words. */
export function distance(at: number, now: number): string {
  if (Math.abs(at - now) < MINUTE) return at > now ? 'in less than a minute' : 'just now';
  return at > now ? `in ${lengthOf(at - now)}` : `${lengthOf(now - at)} ago`;
}

/** A time (milliseconds since the epoch) as ISO 8601 in UTC, to the minute; `now` adds how far it is. */
export function moment(at: number, now?: number): Markup {
  const iso = new Date(at).toISOString();
  const text = `${iso.slice(0, 10)} ${iso.slice(11, 16)}\u00a0UTC`;
  const far = now === undefined ? null : html` <span class="far">${distance(at, now)}</span>`;
  return html`<time datetime="${iso.slice(0, 19)}Z">${text}</time>${far}`;
}
