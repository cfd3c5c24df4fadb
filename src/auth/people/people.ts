import type { Config } from '../../config/index.ts';
import type { Assertion, IdentityRules } from '../../identity/index.ts';
import { type Clock, GatewayError, type Identity } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../../platform/index.ts';
import type { People } from '../sign-in.ts';
import { createTokenHash } from '../token-record.ts';
import { type Admission, admitPerson, type Newcomer } from './admission.ts';
import { createClaims } from './claims.ts';
import { createPersonStore } from './person-store.ts';
import { createRecall } from './recall.ts';
import { releaseUser } from './release.ts';

/** What people need. */
export interface PeopleOptions {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  /** Read at each use, but for `tokenKey`, the key of the hashes that stand for names in the store. */
  readonly config: () => Pick<Config, 'queues' | 'secrets' | 'signIn'>;
  /** The rules of the configuration in use; another object after a reload. */
  readonly rules: () => IdentityRules;
  readonly clock: Clock;
  readonly report?: Pick<Report, 'log'>;
}

/** Seconds; about what a Redis failover takes. */
const RETRY_AFTER = 5;

/** Creates the people of this gateway; see {@link People}. */
export function createPeople(options: PeopleOptions): People {
  const { kv, sealer, config, rules, clock, report } = options;
  const hash = createTokenHash(config().secrets.tokenKey);
  const now = (): number => clock.now();
  const store = createPersonStore({ kv, sealer, hash, report });
  const claims = createClaims({ kv, sealer, hash, people: store, now });
  const recall = createRecall(rules);
  const isProgram = (provider: string): boolean => config().signIn.bearers.some(({ name }) => name === provider);
  const admit = async (assertion: Assertion): Promise<Identity> => {
    const person = newcomer(rules(), assertion, config().queues);
    const admission = await admitPerson({ store, claims, now, isProgram }, person);
    if (admission === null) throw busy();
    tell(report, person, admission);
    if (admission.kind === 'conflict') throw conflict(person, admission);
    const { record, text } = admission;
    const identity = record.provider === person.provider ? recall(record, text) : rules().recall(person);
    if (identity === null) throw denied('the rules changed during the sign-in');
    return identity;
  };
  return {
    admit: (assertion) => atStore(admit(assertion)),
    async find(subject) {
      const stored = await atStore(store.read(store.idOf(subject)));
      return stored === null || stored.record === null ? null : recall(stored.record, stored.text);
    },
    async isUnreadable(subject) {
      return (await atStore(store.read(store.idOf(subject))))?.record === null;
    },
    async bindings() {
      const all = await atStore(store.all());
      return all
        .map(({ record: { user, subject, bound, since, lastSignInAt } }) => ({
          user,
          subject,
          accounts: bound,
          since,
          lastSignInAt,
        }))
        .sort((a, b) => (a.user < b.user ? -1 : 1));
    },
    release: (user) => atStore(releaseUser({ store, claims, report }, user)),
  };
}

/** Who an assertion is about, with the personal accounts that today's rules give; throws GW_SIGN_IN_DENIED. */
function newcomer(rules: IdentityRules, assertion: Assertion, queues: Config['queues']): Newcomer {
  const decision = rules.toIdentity(assertion);
  if (decision.kind === 'refused') throw denied(decision.reason);
  const { identity, providerGroups } = decision;
  const { subject, user, attributes } = identity;
  const accounts = queues.flatMap(({ name }) => {
    const decision = rules.accountFor(identity, name);
    return decision.kind === 'account' && !decision.account.shared ? [[name, decision.account.name]] : [];
  });
  return {
    subject,
    user,
    attributes,
    providerGroups,
    provider: assertion.provider,
    bound: Object.fromEntries(accounts),
  };
}

function tell(
  report: Pick<Report, 'log'> | undefined,
  { subject, user, provider }: Newcomer,
  admission: Admission,
): void {
  const who = { subject, user, provider };
  if (admission.kind === 'conflict') {
    const reason = `${admission.claim.what} is ${admission.by === null ? 'another’s' : `bound to ${admission.by}`}`;
    report?.log.warn({ event: 'identity_conflict', ...who, reason }, 'a second identity wanted a name or account');
  } else if (admission.isNew)
    report?.log.info({ event: 'identity_bound', ...who }, 'an identity signed in for the first time');
}

const denied = (internal: string): GatewayError =>
  new GatewayError('GW_SIGN_IN_DENIED', 'The rules of this gateway do not let you in.', { internal });

function conflict({ subject }: Newcomer, { claim, by }: Extract<Admission, { kind: 'conflict' }>): GatewayError {
  const detail = `Another identity has ${claim.what}. The administrator can decide whose it is.`;
  return new GatewayError('GW_IDENTITY_CONFLICT', detail, {
    internal: `${subject} wants ${claim.what}, which is ${by === null ? 'another’s' : `bound to ${by}`}`,
  });
}

const busy = (): GatewayError =>
  new GatewayError('GW_STORE_UNAVAILABLE', 'You are signing in several times at once. Try again.', { retryAfter: 1 });

async function atStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const detail = 'Sign-ins cannot be checked or remembered right now.';
    throw new GatewayError('GW_STORE_UNAVAILABLE', detail, {
      retryAfter: RETRY_AFTER,
      internal: error.message,
      cause: error,
    });
  }
}
