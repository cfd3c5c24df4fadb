import { SamlFault } from './fault.ts';

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const DURATION =
  /^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?$/;
const DAY = 86_400_000;

/** Milliseconds since the epoch of an xs:dateTime with its zone. */
export function instantOf(text: string, what: string): number {
  const ms = DATE_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new SamlFault(`${what} is no time`);
  return ms;
}

/** Milliseconds of an xs:duration; a year has 365 days, a month 30. */
export function durationOf(text: string, what: string): number {
  const parts = DURATION.exec(text);
  if (parts === null || /[PT]$/.test(text)) throw new SamlFault(`${what} is no duration`);
  const [years = 0, months = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0));
  return (years * 365 + months * 30 + days) * DAY + hours * 3_600_000 + minutes * 60_000 + seconds * 1000;
}

/** The present, and how far another's clock may be off. */
export interface Present {
  readonly now: number;
  readonly skew: number;
}

/** A message is taken for this long after it was issued. */
const MESSAGE_AGE_MS = 5 * 60_000;

/** Refuses what was issued too long ago or in the future. */
export function checkIssued(text: string, what: string, { now, skew }: Present): void {
  const issued = instantOf(text, `${what} IssueInstant`);
  if (issued > now + skew) throw new SamlFault(`${what} was issued in the future`);
  if (issued <= now - skew - MESSAGE_AGE_MS) throw new SamlFault(`${what} was issued too long ago`);
}

/** Refuses what is not valid yet or no more; gives NotOnOrAfter, null without. */
export function checkWindow(attributes: ReadonlyMap<string, string>, what: string, present: Present): number | null {
  const notBefore = attributes.get('NotBefore');
  const notOnOrAfter = attributes.get('NotOnOrAfter');
  if (notBefore !== undefined && instantOf(notBefore, `${what} NotBefore`) > present.now + present.skew)
    throw new SamlFault(`${what} not valid yet`);
  if (notOnOrAfter === undefined) return null;
  const end = instantOf(notOnOrAfter, `${what} NotOnOrAfter`);
  if (end <= present.now - present.skew) throw new SamlFault(`${what} no longer valid`);
  return end;
}
