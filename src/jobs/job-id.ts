import { readMembers } from './job-text.ts';
import type { Answer } from './ports.ts';

const DIGITS = /^\d{1,12}$/;

/** `000045080`, `45080/` and `45080` are the same job; null for what is no job id. */
export function normalJobId(text: string): string | null {
  const digits = text.endsWith('/') ? text.slice(0, -1) : text;
  return DIGITS.test(digits) ? String(Number(digits)) : null;
}

/** What an answer of vovserver to a submission means. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly jobId: string }
  /** vovserver said no: nothing was executed. */
  | { readonly kind: 'refused' }
  /** No, in other words than vovserver's: of a proxy before it, maybe after the job was made. */
  | { readonly kind: 'doubted' }
  /** It failed on the way, maybe after the job was made. */
  | { readonly kind: 'failed' }
  /** It says yes, and names the job in a way that cannot be read. */
  | { readonly kind: 'unreadable' }
  /** A page, or half an answer: nobody says anything. */
  | { readonly kind: 'nonsense' };

function jobIdOf(members: Readonly<Record<string, unknown>>): string | null {
  const found = Object.entries(members).find(([name]) => name.toLowerCase() === 'jobid')?.[1];
  if (typeof found === 'number') return Number.isSafeInteger(found) ? normalJobId(String(found)) : null;
  return typeof found === 'string' ? normalJobId(found) : null;
}

/** What is between gateway and vovserver says these, about a call that it may have passed on. */
const OF_A_PROXY: ReadonlySet<number> = new Set([408, 425, 429, 499]);

/** Whether vovserver itself says what is wrong. */
const saysWhy = ({ errmsg, errormsg, error }: Readonly<Record<string, unknown>>): boolean =>
  [errmsg, errormsg, error].some((text) => typeof text === 'string' && text !== '');

/** Reads the answer to a submission; an id may be a number or a text, with or without leading zeros. */
export function readVerdict({ status, body }: Answer): Verdict {
  const moved = status >= 300 && status < 400;
  if (status < 200 || moved || OF_A_PROXY.has(status) || status >= 500) return { kind: 'failed' };
  const members = readMembers(body);
  if (status >= 400) return { kind: members !== null && saysWhy(members) ? 'refused' : 'doubted' };
  if (members === null) return { kind: 'nonsense' };
  const jobId = jobIdOf(members);
  if (jobId !== null) return { kind: 'accepted', jobId };
  return { kind: saysWhy(members) ? 'refused' : 'unreadable' };
}
