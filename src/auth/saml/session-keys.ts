import type { ProviderSession } from '../sign-in.ts';
import type { NameId } from './name-id.ts';

/** What a LogoutRequest of ours must say. */
export interface Hint {
  readonly nameId: NameId;
  readonly sessionIndex: string | null;
}

/** Key of every session of a NameID. */
export const nameKey = ({ value }: NameId): string => `nameid:${value}`;

/** Key of one session. As JSON, so that no NameID with a separator in it can stand for another's session. */
export const indexKey = ({ value }: NameId, index: string): string => `index:${JSON.stringify([value, index])}`;

/** How single logout will find a session, and what ends it at the provider. */
export function providerSession(nameId: NameId | null, sessionIndex: string | null): ProviderSession {
  if (nameId === null) return { keys: [], hint: '' };
  const index = sessionIndex === null ? [] : [indexKey(nameId, sessionIndex)];
  const hint: Hint = { nameId, sessionIndex };
  return { keys: [nameKey(nameId), ...index], hint: JSON.stringify(hint) };
}

/** Reads what {@link providerSession} wrote; null for a session without NameID. */
export const readHint = (hint: string): Hint | null => (hint === '' ? null : (JSON.parse(hint) as Hint));
