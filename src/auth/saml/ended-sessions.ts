import type { UsedOnce } from '../sign-in.ts';
import { SamlFault } from './fault.ts';
import type { NameId } from './name-id.ts';
import { indexKey, nameKey } from './session-keys.ts';

/** Longer than any assertion or logout message is accepted, skew on both sides included. */
export const REMEMBER_MS = 20 * 60_000;

const kindOf = (provider: string): string => `saml-ended:${provider}`;

/** Remembers that the provider ended the sessions of these keys by a request that it issued then. */
export async function noteEnded(
  usedOnce: UsedOnce,
  provider: string,
  keys: readonly string[],
  issuedAt: number,
): Promise<void> {
  await Promise.all(keys.map((key) => usedOnce.note(kindOf(provider), key, String(issuedAt), REMEMBER_MS)));
}

/**
 * Refuses an assertion whose session has ended before it came (SAML Core, section 3.7.3.2): whichever one of that session
 * index, and one for a person signed out everywhere when it was issued before that. Throws {@link SamlFault}.
 */
export async function checkNotEnded(
  usedOnce: UsedOnce,
  provider: string,
  { nameId, sessionIndex, issuedAt }: { nameId: NameId | null; sessionIndex: string | null; issuedAt: number },
): Promise<void> {
  if (nameId === null) return;
  const [everywhere, one] = await Promise.all([
    usedOnce.noted(kindOf(provider), nameKey(nameId)),
    sessionIndex === null ? null : usedOnce.noted(kindOf(provider), indexKey(nameId, sessionIndex)),
  ]);
  if (one !== null || (everywhere !== null && !(issuedAt > Number(everywhere))))
    throw new SamlFault('the provider has ended this session already');
}
