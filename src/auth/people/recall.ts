import type { IdentityRules } from '../../identity/index.ts';
import type { Identity } from '../../kernel/index.ts';
import { putBounded } from '../bounded-put.ts';
import type { PersonRecord } from './person-record.ts';

interface Recalled {
  readonly text: string;
  readonly rules: IdentityRules;
  readonly identity: Identity | null;
}

/** People whose identity is kept in memory. */
const CAPACITY = 10_000;

/**
 * Turns a stored record into the identity under today's rules. The same record under the same rules gives the same object,
 * since decisions about accounts are kept by it.
 */
export function createRecall(rules: () => IdentityRules): (record: PersonRecord, text: string) => Identity | null {
  const known = new Map<string, Recalled>();
  return (record, text) => {
    const current = rules();
    const before = known.get(record.subject);
    if (before?.text === text && before.rules === current) return before.identity;
    const { since: _, lastSignInAt: __, former: ___, denied, ...person } = record;
    const identity = denied ? null : current.recall(person);
    putBounded(known, record.subject, { text, rules: current, identity }, CAPACITY);
    return identity;
  };
}
