import type { Session, WebRoute } from '../auth/index.ts';
import { type Account, GatewayError, Secret, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { EnrolmentActor } from '../tokens/index.ts';
import { stateLabel, stateText } from './account-state.ts';
import { type Faults, formFault, textField } from './fields.ts';
import { csrfField, type Frame } from './frame.ts';
import { html, type Markup } from './markup.ts';
import { moment } from './moment.ts';
import { doneAt, doneNote, pageRoute } from './page-route.ts';
import type { PortalParts, QueueAccount } from './ports.ts';
import { asSentence } from './sentence.ts';

const PATH = '/ui/credential';
/** Characters; no password is longer. */
const MAX_PASSWORD = 4096;

const DONE = {
  enrolled: 'vovserver accepted the password; the gateway keeps it sealed and uses it for your calls.',
  removed: 'The password is removed, and the gateway’s sign-in at vovserver with it.',
  'none-there': 'There was no password to remove.',
};

/** What is wrong with the form of one queue. */
interface Wrong {
  readonly queue: string;
  readonly text: string;
}

const removal = (
  queue: string,
  csrf: Markup,
): Markup => html`<details class="ask"><summary class="button danger">Remove the password</summary><div>
<p>Your calls on this queue fail until you give it again.</p>
<form method="post" action="${PATH}/remove">${csrf}<input type="hidden" name="queue" value="${queue}"><button class="small danger">Remove it now</button></form></div></details>`;

function enrolForm(
  { queue, account, enrolledAt }: QueueAccount,
  at: number,
  csrf: Markup,
  wrong: Wrong | null,
): Markup {
  const replace = enrolledAt !== null;
  const faults: Faults = wrong?.queue === queue ? { [`password-${at}`]: wrong.text } : {};
  return html`<form method="post" action="${PATH}/enrol" autocomplete="off">${csrf}<input type="hidden" name="queue" value="${queue}">
<input type="hidden" name="field" value="password-${at}">
${textField({
  name: `password-${at}`,
  label: replace ? `New password of ${account}` : `Password of ${account}`,
  hint: 'It is tried once at vovserver, and kept only when it is accepted.',
  type: 'password',
  value: '',
  maxLength: MAX_PASSWORD,
  faults,
})}<button class="primary">${replace ? 'Replace' : 'Give to the gateway'}</button></form>`;
}

function whyNot({ account, shared, reason }: QueueAccount): string {
  if (account === null) return asSentence(reason ?? 'No rule gives you an account on this queue.');
  if (shared) return `${account} is shared by several people; its password is the administrator’s affair.`;
  return 'On this queue the administrator keeps the passwords.';
}

function queueCard(account: QueueAccount, at: number, csrf: Markup, wrong: Wrong | null, now: number): Markup {
  const { queue, enrolledAt, mayEnrol } = account;
  return html`<section class="card" aria-labelledby="queue-${at}"><div class="row"><h2 id="queue-${at}">${queue}</h2>${mayEnrol && stateLabel(account)}</div>
${
  mayEnrol
    ? html`<p>${stateText(account, { now, formBelow: true })}${enrolledAt !== null && html` You gave the password ${moment(enrolledAt, now)}.`}</p>
${enrolForm(account, at, csrf, wrong)}${enrolledAt !== null && removal(queue, csrf)}`
    : html`<p>${whyNot(account)}</p>`
}</section>`;
}

/** Creates the page of a person's own vovserver passwords: enrol, replace, remove. */
export function createCredentialRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { accountStates, enrolments, clock } = parts;
  const enrol = createEnrol(parts);
  const page = async (session: Session, note: Markup | null, wrong: Wrong | null): Promise<WebAnswer> => {
    const accounts = await accountStates(session.identity);
    const csrf = csrfField(session);
    const cards = accounts.map((account, at) => queueCard(account, at, csrf, wrong, clock.now()));
    const orphan = wrong !== null && !accounts.some(({ queue, mayEnrol }) => queue === wrong.queue && mayEnrol);
    const body = html`<div class="head"><h1>vovserver password</h1>
<p class="quiet">The gateway signs in at vovserver as you. Where it may keep your password, you give it here once, and again when it changes.</p></div>
${note}${orphan && formFault({ form: wrong.text })}${cards}`;
    return frame({
      title: 'vovserver password',
      session,
      current: PATH,
      body,
      ...(wrong === null ? {} : { status: 422 }),
    });
  };
  return [
    pageRoute('GET', PATH, (request, session) => page(session, doneNote(request, DONE), null)),
    pageRoute('POST', `${PATH}/enrol`, async (request, session) => {
      const queue = request.form.get('queue') ?? '';
      const password = passwordOf(request.form);
      const account = ownAccount(parts, session, queue);
      if (password === null) return page(session, null, { queue, text: 'Type the password.' });
      const result = await enrol(account, password, actorOf(request, session));
      if (result.kind === 'unfit') return page(session, null, { queue, text: result.text });
      if (result.kind === 'wait') {
        return page(session, null, {
          queue,
          text: `Passwords of this account were tried too often. Try again in ${result.seconds} seconds.`,
        });
      }
      if (result.kind === 'accepted') return doneAt(PATH, 'enrolled');
      return page(session, null, { queue, text: 'vovserver rejected this password. Nothing was kept or changed.' });
    }),
    pageRoute('POST', `${PATH}/remove`, async (request, session) => {
      const queue = request.form.get('queue') ?? '';
      const account = ownAccount(parts, session, queue);
      const removed = await enrolments.remove(account, actorOf(request, session));
      return doneAt(PATH, removed ? 'removed' : 'none-there');
    }),
  ];
}

/** Who does it, for log and audit. */
function actorOf({ address, requestId }: WebRequest, { identity }: Session): EnrolmentActor {
  return { user: identity.user, subject: identity.subject, address, requestId };
}

type Enrolled =
  | Awaited<ReturnType<PortalParts['enrolments']['enrol']>>
  | { readonly kind: 'unfit'; readonly text: string };

/** Enrols; a text that is no password is a fault of the form, not of the call. */
function createEnrol({ enrolments }: PortalParts) {
  return async (account: Account, password: Secret, actor: EnrolmentActor): Promise<Enrolled> => {
    try {
      return await enrolments.enrol(account, password, actor);
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'GW_BAD_BODY') return { kind: 'unfit', text: error.detail };
      throw error;
    }
  };
}

/** The password of the form; each queue's field has a name of its own, so that labels and messages belong to one field. */
function passwordOf(form: URLSearchParams): Secret | null {
  const text = form.get(form.get('field') ?? '') ?? '';
  return text === '' || text.length > MAX_PASSWORD ? null : new Secret(text);
}

/** The account of a person on a queue when its password is theirs to give; decided anew, whatever the page showed. */
function ownAccount({ accountFor, enrolments, config }: PortalParts, { identity }: Session, queue: string): Account {
  if (!config().queues.some(({ name }) => name === queue) || !enrolments.isOpen(queue)) {
    throw new GatewayError('GW_NOT_FOUND', 'No queue of this name takes passwords here.');
  }
  const decision = accountFor(identity, queue);
  if (decision.kind === 'none') throw new GatewayError('GW_NO_ACCOUNT', decision.reason);
  if (decision.account.shared) {
    throw new GatewayError('GW_NO_ACCOUNT', 'A shared account has no password of yours; the administrator keeps it.');
  }
  return decision.account;
}
