import type { Visitor } from '../../src/auth/index.ts';
import { ERROR_CODES, type ErrorCode, GatewayError, type Identity } from '../../src/kernel/index.ts';
import {
  ALICE,
  createPortalWorld,
  get,
  htmlOf,
  NOW,
  type PortalState,
  type PortalWorld,
  PROVIDERS,
  post,
  queueAccount,
  sessionOf,
} from './portal-world.ts';

export const ADMIN: Identity = { ...ALICE, roles: ['user', 'admin'] };
const admin: Partial<Visitor> = { session: sessionOf(ADMIN) };

const ACCOUNTS = [
  queueAccount({
    queue: 'nightly',
    mayEnrol: true,
    enrolledAt: NOW - 1000,
    state: { kind: 'signed-in', until: NOW + 60_000 },
  }),
  queueAccount({ queue: 'b', mayEnrol: true, state: { kind: 'no-password' } }),
  queueAccount({ queue: 'c', state: { kind: 'no-password' } }),
  queueAccount({ queue: 'd', mayEnrol: true, state: { kind: 'rejected', until: NOW + 600_000 } }),
  queueAccount({ queue: 'e', state: { kind: 'rejected', until: NOW + 600_000 } }),
  queueAccount({ queue: 'f', shared: true, state: { kind: 'ready' } }),
  queueAccount({ queue: 'g', state: { kind: 'unknown', reason: 'the store is away' } }),
  queueAccount({ queue: 'h', account: null, reason: 'A rule denies it.', state: null }),
];

/** A world in which every page has something to show. */
export const fullWorld = (change: Partial<PortalState> = {}): PortalWorld =>
  createPortalWorld({ accounts: ACCOUNTS, ...change });

type Make = (world: PortalWorld) => Promise<string> | string;

const tokenForm = { label: 'ci', scopes: ['read', 'submit'], life: String(30 * 86_400_000), once: 'A'.repeat(22) };

/** Every page that the portal can show, by what it is. */
export const PAGES: Readonly<Record<string, Make>> = {
  account: async (world) => htmlOf(await get(world, '/ui/')),
  'account of an admin': async (world) => htmlOf(await get(world, '/ui/', admin)),
  tokens: async (world) => htmlOf(await get(world, '/ui/tokens')),
  'tokens after revoking': async (world) => htmlOf(await get(world, '/ui/tokens?done=revoked')),
  'a token form with faults': async (world) =>
    htmlOf(await post(world, '/ui/tokens', { label: '', scopes: [], life: '1', once: '' })),
  'a new token': async (world) => htmlOf(await post(world, '/ui/tokens', tokenForm)),
  credential: async (world) => htmlOf(await get(world, '/ui/credential?done=enrolled')),
  'a rejected password': async (world) => {
    world.state.enrol = async () => ({ kind: 'rejected' });
    return htmlOf(await post(world, '/ui/credential/enrol', { queue: 'nightly', field: 'p', p: 'secret' }));
  },
  sessions: async (world) => htmlOf(await get(world, '/ui/sessions')),
  'device code': async (world) => htmlOf(await get(world, '/ui/device')),
  'device question': async (world) => htmlOf(await get(world, '/ui/device?user_code=WDJB-MJHT')),
  'device wrong code': async (world) => htmlOf(await get(world, '/ui/device?user_code=NOPE')),
  'device approved': async (world) =>
    htmlOf(await post(world, '/ui/device', { user_code: 'WDJB-MJHT', decision: 'approve' })),
  'all tokens': async (world) => htmlOf(await get(world, '/ui/admin/tokens', admin)),
  'all tokens of one user': async (world) => htmlOf(await get(world, '/ui/admin/tokens?user=alice', admin)),
  explorer: async (world) => htmlOf(await get(world, '/ui/api')),
  'sign-in': ({ portal }) =>
    htmlOf(portal.signInPages.signIn({ providers: PROVIDERS as never, returnTo: '/ui/tokens' })),
  'sign-in without providers': ({ portal }) => htmlOf(portal.signInPages.signIn({ providers: [], returnTo: '/ui/' })),
  'send away': ({ portal }) =>
    htmlOf(
      portal.signInPages.sendAway({
        kind: 'post',
        action: 'https://idp.example.com/sso?x=1&y=2',
        fields: { SAMLRequest: 'PHNhbWw+', RelayState: 'a"b' },
      }),
    ),
  'signed out': ({ portal }) => htmlOf(portal.signInPages.signedOut(null)),
  'signed out, redirect': ({ portal }) =>
    htmlOf(portal.signInPages.signedOut({ kind: 'redirect', location: 'https://idp.example.com/end?a=1&b=2' })),
  'signed out, post': ({ portal }) =>
    htmlOf(
      portal.signInPages.signedOut({
        kind: 'post',
        action: 'https://idp.example.com/slo',
        fields: { SAMLRequest: 'x' },
      }),
    ),
  ...Object.fromEntries(
    (Object.keys(ERROR_CODES) as ErrorCode[]).map((code): [string, Make] => [
      `error ${code}`,
      ({ portal }) => htmlOf(portal.errorPage(new GatewayError(code, 'A detail.', { retryAfter: 5 }), 'req-1')),
    ]),
  ),
};
