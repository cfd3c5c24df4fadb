import type { Config } from '../../config/index.ts';
import { type IdentityDecision, type IdentityRules, userNameFault } from '../../identity/index.ts';
import { type Account, type Clock, GatewayError } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { type KeyValue, type Sealer, StoreUnavailable } from '../../platform/index.ts';
import type { People } from '../sign-in.ts';
import { createTokenHash } from '../token-record.ts';
import { type Admission, type AdmissionOptions, admitPerson, type Newcomer, noteRefusal } from './admission.ts';
import { bindingsOf } from './bindings.ts';
import { createClaims } from './claims.ts';
import { giveUser } from './give.ts';
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
  /** Told before a person gets accounts that were not theirs: what others left at the gateway for them must go. */
  readonly onNewAccounts?: (subject: string, accounts: readonly Account[]) => Promise<void>;
}

/** Seconds; about what a Redis failover takes. */
const RETRY_AFTER = 5;

/** Creates the people of this gateway; see {@link People}. */
export function createPeople(options: PeopleOptions): People {
  const { kv, sealer, config, rules, clock, report, onNewAccounts = async () => undefined } = options;
  const hash = createTokenHash(config().secrets.tokenKey);
  const now = (): number => clock.now();
  const store = createPersonStore({ kv, sealer, hash, report, now });
  const claims = createClaims({ kv, sealer, hash, people: store, now });
  const recall = createRecall(rules);
  const isProgram = (provider: string): boolean => config().signIn.bearers.some(({ name }) => name === provider);
  const parts = { store, claims, now, isProgram, onNewAccounts, report };
  const admit = createAdmit(parts, options, recall);
  return {
    admit: (assertion) => atStore(admit(assertion)),
    async find(subject) {
      const stored = await atStore(store.read(store.idOf(subject)));
      return stored === null || stored.record === null ? null : recall(stored.record, stored.text);
    },
    async isUnreadable(subject) {
      return (await atStore(store.read(store.idOf(subject))))?.unreadable === true;
    },
    bindings: async () => bindingsOf((await atStore(store.all())).map(({ record }) => record)),
    release: (user) => atStore(releaseUser(parts, user)),
    async give(user, subject) {
      checkGift(config(), user, subject);
      return await atStore(giveUser(parts, user, subject));
    },
  };
}

type Recall = ReturnType<typeof createRecall>;

function createAdmit(
  parts: AdmissionOptions,
  { config, rules, report }: Pick<PeopleOptions, 'config' | 'rules' | 'report'>,
  recall: Recall,
): People['admit'] {
  /** What was in force for a known subject ends with a refusal. */
  const note = async (said: Parameters<typeof noteRefusal>[1], isDenied: boolean): Promise<void> => {
    if (!(await noteRefusal(parts, said, isDenied))) throw busy();
  };
  return async (assertion) => {
    const decision = rules().toIdentity(assertion);
    if (decision.kind === 'refused') {
      if (decision.known !== undefined) await note(decision.known, true);
      throw denied(decision.reason);
    }
    const person = newcomer(rules(), decision, assertion.provider, config().queues);
    const admission = await admitPerson(parts, person);
    if (admission === null) throw busy();
    tell(report, person, admission);
    if (admission.kind !== 'admitted') {
      const { bound: _, user: __, ...said } = person;
      await note(said, admission.kind === 'denied');
      throw admission.kind === 'denied' ? denied(admission.reason) : conflict(person, admission);
    }
    const { record, text } = admission;
    const identity = record.provider === person.provider ? recall(record, text) : rules().recall(person);
    if (identity === null) throw denied('the rules changed during the sign-in');
    return identity;
  };
}

const USER_NAME_FAULT = 'No user can have this name.';

/** A name is kept only for somebody who can sign in. */
function checkGift({ signIn }: Pick<Config, 'signIn'>, user: string, subject: string): void {
  if (userNameFault(user) !== null) throw new GatewayError('GW_BAD_REQUEST', USER_NAME_FAULT);
  const realms = [...signIn.providers, ...signIn.bearers].map(({ realm, name }) => realm ?? name);
  if (realms.some((realm) => subject.startsWith(`${realm}:`) && subject.length > realm.length + 1)) return;
  const known = [...new Set(realms)].map((realm) => `${realm}:`).join(', ');
  throw new GatewayError('GW_BAD_REQUEST', `The subject is nobody’s: it begins with none of ${known}`);
}

/** Who an assertion is about, with the personal accounts that today's rules give. */
function newcomer(
  rules: IdentityRules,
  { identity, providerGroups }: Extract<IdentityDecision, { kind: 'identity' }>,
  provider: string,
  queues: Config['queues'],
): Newcomer {
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
    provider,
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
  } else if (admission.kind === 'admitted' && admission.isNew)
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
