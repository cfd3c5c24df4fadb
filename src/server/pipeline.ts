import { type GatewayError, toGatewayError } from '../kernel/index.ts';
import type { Door } from '../observe/index.ts';
import { answerError } from './answer.ts';
import type { Scope, Step } from './scope.ts';
import { wantsPage } from './steps/meet-visitor.ts';

/** The steps of the road by name; each is built in `wire.ts` and lives in a file of its own under `steps/`. */
export interface Steps {
  readonly beginRecord: Step;
  readonly secureHeaders: Step;
  readonly limitAddress: Step;
  readonly checkMessage: Step;
  readonly authenticate: Step;
  readonly meetVisitor: Step;
  readonly checkOrigin: Step;
  readonly decideRoute: Step;
  readonly limitIdentity: Step;
  readonly collectBody: Step;
  readonly readForm: Step;
  readonly chooseAccount: Step;
  readonly exchangeToken: Step;
  readonly servePage: Step;
  readonly serveVendorPage: Step;
  readonly inspectBody: Step;
  readonly checkMaintenance: Step;
  readonly ownJob: Step;
  readonly submitJob: Step;
  readonly showOwn: Step;
  readonly noteJob: Step;
  readonly forward: Step;
  readonly refuse: Step;
}

/**
 * The road of a request: rows in order, doors as columns. P the proxied API, T the vendor's token endpoint, L sign-in and
 * logout, C the identity provider's callbacks, U the portal, O the OAuth endpoints, V the vendor's pages, N everything else
 * (nothing is served there). A blank is a door that skips the step. `open scope` comes before the first row, since it makes
 * the scope; the record is ended by the connection itself (see begin record), so that it is never missed.
 */
export const ROAD: readonly (readonly [keyof Steps, string])[] = [
  //                    P T L C U O V N
  ['beginRecord', '     P T L C U O V N'],
  ['secureHeaders', '   P T L C U O V N'],
  ['limitAddress', '    P T L C U O V N'],
  ['checkMessage', '    P T L C U O V N'],
  ['authenticate', '    P              '],
  ['meetVisitor', '         L   U O V  '],
  ['checkOrigin', '         L   U      '],
  ['decideRoute', '     P              '],
  ['limitIdentity', '   P           V  '],
  ['collectBody', '     P              '],
  ['readForm', '            L C U O    '],
  ['chooseAccount', '   P              '],
  ['exchangeToken', '     T            '],
  ['servePage', '           L C U O    '],
  ['serveVendorPage', '             V  '],
  ['refuse', '                        N'],
  ['inspectBody', '      P              '],
  ['checkMaintenance', 'P              '],
  ['ownJob', '          P              '],
  ['submitJob', '       P              '],
  ['showOwn', '         P              '],
  ['noteJob', '         P              '],
  ['forward', '         P              '],
];

const LETTER: Readonly<Partial<Record<Door, string>>> = {
  api: 'P',
  token: 'T',
  login: 'L',
  callback: 'C',
  portal: 'U',
  oauth: 'O',
  vendor: 'V',
  other: 'N',
};

/** The column of one door, in order. */
export function columnOf(steps: Steps, door: Door): readonly Step[] {
  const letter = LETTER[door] ?? 'N';
  return ROAD.filter(([, doors]) => doors.includes(letter)).map(([name]) => steps[name]);
}

/** Answers an error as a page, for people; gives the bytes of the body. */
export type ErrorPage = (scope: Scope, error: GatewayError) => number;

/** Whatever could be read as a path under /api gets JSON, and so does a target that was not accepted. */
const mayBePage = ({ path, meta }: Scope): boolean =>
  path !== '' && !(meta.target.split('?', 1)[0] ?? '').includes('%') && !/^\/api(?:\/|$)/i.test(path);

/** Walks the column; the first error ends it and becomes the answer. Awaits only steps that are asynchronous. */
export async function walk(
  column: readonly Step[],
  scope: Scope,
  onError: (error: GatewayError) => void,
  errorPage: ErrorPage,
): Promise<void> {
  try {
    for (const step of column) {
      const pending = step(scope);
      if (pending !== undefined) await pending;
    }
  } catch (thrown) {
    const error = toGatewayError(thrown);
    scope.error = error;
    if (error.code === 'GW_INTERNAL') onError(error);
    // An unread body would be taken for the next request: the connection ends with this answer.
    if (!scope.req.complete && !scope.head.includes('Connection')) scope.head.push('Connection', 'close');
    const page = wantsPage(scope) && mayBePage(scope) && !scope.res.headersSent;
    scope.bytesOut = page
      ? errorPage(scope, error)
      : answerError(scope.res, scope.head, error, scope.meta.requestId, {
          vendorShape: scope.meta.target.startsWith('/api/'),
          headOnly: scope.meta.method === 'HEAD',
        });
  }
}
