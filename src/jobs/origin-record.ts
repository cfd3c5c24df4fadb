import type { Origin } from './ports.ts';

const VERSION = 1;

export const encodeOrigin = (origin: Origin): string => JSON.stringify([VERSION, origin]);

/** Null for anything that this version did not write; the seal vouches for the rest. */
export function decodeOrigin(text: string): Origin | null {
  try {
    const [version, origin]: unknown[] = JSON.parse(text);
    return version === VERSION ? (origin as Origin) : null;
  } catch {
    return null;
  }
}
