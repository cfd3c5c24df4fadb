import { type Account, GatewayError, type Secret } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { BrokerHandle } from './broker.ts';
import { type BrokerConfig, isEnrolled } from './broker-parts.ts';
import type { EnrolledPasswords } from './enrolled-passwords.ts';
import type { EnrolmentActor, Enrolments } from './ports.ts';
import { toPassword } from './sources/password-version.ts';

/** What {@link createEnrolments} needs. */
export interface EnrolmentsOptions {
  /** The same that the credential sources were given. */
  readonly passwords: EnrolledPasswords;
  readonly broker: Pick<BrokerHandle, 'tryPassword' | 'dropAfter' | 'drop'>;
  readonly config: () => BrokerConfig;
  readonly report: Pick<Report, 'credential'>;
  /** Key of the password versions: the same that the credential sources were given. */
  readonly versionKey: Secret;
}

/** No password is longer; more is some other text. */
const LONGEST_BYTES = 4096;

function checkText(password: Secret): void {
  const text = password.reveal();
  const problem =
    text === ''
      ? 'is empty'
      : /[\r\n\0]/.test(text)
        ? 'holds a line break or a NUL'
        : Buffer.byteLength(text) > LONGEST_BYTES
          ? `is longer than ${LONGEST_BYTES} bytes`
          : null;
  if (problem !== null) throw new GatewayError('GW_BAD_BODY', `The password ${problem}.`);
}

/** The enrolments with what only those who know people need. */
export interface EnrolmentsHandle extends Enrolments {
  /**
   * For an account that becomes a subject's: forgets the password that anybody else gave for it, and its JWT, on all
   * replicas. Throws GW_STORE_UNAVAILABLE.
   */
  forgetOthers(account: Account, subject: string): Promise<void>;
}

/** Creates the {@link Enrolments} of this replica. */
export function createEnrolments(options: EnrolmentsOptions): EnrolmentsHandle {
  const { passwords, broker, config, report, versionKey } = options;
  const isOpen = (queue: string): boolean => isEnrolled(config(), queue);
  const tell = (
    what: Parameters<Report['credential']>[0]['what'],
    account: Account,
    by: EnrolmentActor | undefined,
  ): void => {
    const { user, subject, ...rest } = by ?? { user: account.name, subject: `account:${account.name}` };
    report.credential({ what, user, subject, id: account.name, ...rest });
  };
  return {
    isOpen,
    async enrol(account, password, by) {
      const { queue, name, shared } = account;
      if (!isOpen(queue)) throw new GatewayError('GW_NOT_FOUND', `No passwords are enrolled for queue ${queue}.`);
      if (shared) {
        const detail = `The account ${name} on queue ${queue} is shared: the administrator gives its password.`;
        throw new GatewayError('GW_NO_ACCOUNT', detail);
      }
      checkText(password);
      const tried = await broker.tryPassword(account, toPassword(password.reveal(), account, versionKey), () =>
        passwords.put(account, password, by?.subject ?? null),
      );
      if (tried.kind === 'accepted') tell('password_enrolled', account, by);
      if (tried.kind === 'rejected') tell('password_rejected', account, by);
      return tried;
    },
    async remove(account, by) {
      const existed = await broker.dropAfter(account, () => passwords.remove(account));
      if (existed) tell('password_removed', account, by);
      return existed;
    },
    async forgetOthers(account, subject) {
      const existed = await passwords.removeOthers(account, subject);
      await broker.drop(account);
      if (existed) tell('password_removed', account, undefined);
    },
    enrolledAt: passwords.enrolledAt,
  };
}
