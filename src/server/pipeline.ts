import { type GatewayError, toGatewayError } from '../kernel/index.ts';
import type { Door } from '../observe/index.ts';
import { answerError } from './answer.ts';
import type { Scope, Step } from './scope.ts';

/** The steps of the road by name; each is built in `wire.ts` and lives in a file of its own under `steps/`. */
export interface Steps {
  readonly beginRecord: Step;
  readonly secureHeaders: Step;
  readonly limitAddress: Step;
  readonly checkMessage: Step;
  readonly authenticate: Step;
  readonly decideRoute: Step;
  readonly limitIdentity: Step;
  readonly collectBody: Step;
  readonly chooseAccount: Step;
  readonly exchangeToken: Step;
  readonly forward: Step;
  readonly refuse: Step;
}

/**
 * The road of a request: rows in order, doors as columns. P the proxied API, T the vendor's token endpoint, N everything
 * else (nothing is served there). A blank is a door that skips the step. `open scope` comes before the first row, since it
 * makes the scope; the record is ended by the connection itself (see begin record), so that it is never missed.
 */
export const ROAD: readonly (readonly [keyof Steps, string])[] = [
  //                   P T N
  ['beginRecord', '    P T N'],
  ['secureHeaders', '  P T N'],
  ['limitAddress', '   P T N'],
  ['checkMessage', '   P T N'],
  ['authenticate', '   P    '],
  ['decideRoute', '    P    '],
  ['limitIdentity', '  P    '],
  ['collectBody', '    P    '],
  ['chooseAccount', '  P    '],
  ['exchangeToken', '    T  '],
  ['refuse', '             N'],
  ['forward', '        P    '],
];

const LETTER: Readonly<Partial<Record<Door, string>>> = { api: 'P', token: 'T', other: 'N' };

/** The column of one door, in order. */
export function columnOf(steps: Steps, door: Door): readonly Step[] {
  const letter = LETTER[door] ?? 'N';
  return ROAD.filter(([, doors]) => doors.includes(letter)).map(([name]) => steps[name]);
}

/** Walks the column; the first error ends it and becomes the answer. Awaits only steps that are asynchronous. */
export async function walk(
  column: readonly Step[],
  scope: Scope,
  onError: (error: GatewayError) => void,
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
    scope.bytesOut = answerError(scope.res, scope.head, error, scope.meta.requestId, {
      vendorShape: scope.meta.target.startsWith('/api/'),
      headOnly: scope.meta.method === 'HEAD',
    });
  }
}
