import type { Sealer } from '../../platform/index.ts';
import type { Flow } from '../sign-in.ts';

/** A sign-in under way as its browser keeps it. */
export interface KeptFlow extends Flow {
  /** Keyed hash of its state. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The newest of a browser; an older tab signs in anew. */
const MOST = 3;
/** Browsers keep 4096 octets of name and value; a request has room for other cookies and a long query besides. */
const LONGEST = 3072;
const PURPOSE = 'flow cookie 1';

/** The sign-ins under way that a cookie holds, the newest first; none for a cookie that is not ours. */
export function readFlowCookie(text: string | undefined, sealer: Sealer): readonly KeptFlow[] {
  if (text === undefined || text.length > LONGEST) return [];
  const plain = sealer.open(text, PURPOSE);
  return plain === null ? [] : (JSON.parse(plain) as KeptFlow[]);
}

/** A cookie of these flows, the newest first: as many as it can hold. Null when not even the first fits. */
export function writeFlowCookie(flows: readonly KeptFlow[], sealer: Sealer): string | null {
  for (let count = Math.min(flows.length, MOST); count > 0; count--) {
    const text = sealer.seal(JSON.stringify(flows.slice(0, count)), PURPOSE);
    if (text.length <= LONGEST) return text;
  }
  return null;
}
