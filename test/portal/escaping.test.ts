import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Identity } from '../../src/kernel/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { ADMIN } from './all-pages.ts';
import { skeletonOf, textOf } from './page-shape.ts';
import {
  createPortalWorld,
  DEVICE,
  get,
  htmlOf,
  NOW,
  type PortalState,
  queueAccount,
  sessionOf,
  tokenInfo,
} from './portal-world.ts';

const TRICKS = [
  '__proto__',
  'constructor',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</textarea></title><svg onload=alert(1)>',
  '<!--',
  '&lt;script&gt;',
  '{{7*7}}',
  '\u2028<\u0000b>',
];
const hostile = fc.oneof(fc.constantFrom(...TRICKS), fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }));

/** Puts a text wherever somebody else decides what stands there. */
function stateWith(text: string): Partial<PortalState> {
  return {
    tokens: [tokenInfo({ label: text, user: text, subject: ADMIN.subject }), tokenInfo({ id: text, label: text })],
    sessions: [
      { id: text, provider: text, createdAt: NOW, lastUsedAt: NOW, expiresAt: NOW, address: text, userAgent: text },
    ],
    accounts: [
      queueAccount({ queue: text, account: text, mayEnrol: true, enrolledAt: NOW }),
      queueAccount({ queue: text, account: null, reason: text, state: null }),
      queueAccount({ queue: text, account: text, state: { kind: 'unknown', reason: text } }),
    ],
    limits: [{ name: text, quota: 10, windowSeconds: 60, remaining: 10, resetSeconds: 1 }],
    device: { ...DEVICE, userCode: 'ABCDEFGH', host: text, address: text },
  };
}

const personWith = (text: string): Identity => ({ ...ADMIN, user: text, subject: ADMIN.subject, groups: [text, text] });

const TARGETS = [
  '/ui/',
  '/ui/tokens',
  '/ui/credential',
  '/ui/sessions',
  '/ui/device?user_code=ABCDEFGH',
  '/ui/admin/tokens',
];

async function pagesWith(text: string): Promise<string[]> {
  const world = createPortalWorld(stateWith(text));
  // A token list is asked for by user name.
  const session = sessionOf(personWith(text));
  return Promise.all(TARGETS.map(async (target) => htmlOf(await get(world, target, { session }))));
}

describe('text from outside', () => {
  it('never changes the shape of a page', async () => {
    const plain = (await pagesWith('x')).map(skeletonOf);
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const pages = await pagesWith(text === '' ? 'x' : text);
        assert.deepEqual(pages.map(skeletonOf), plain);
        for (const page of pages) assert.doesNotMatch(textOf(page), /[<>]/);
      }),
      { numRuns: 150 },
    );
  });

  it('never changes the shape of a page that shows what was typed', async () => {
    const world = createPortalWorld();
    const session = sessionOf(ADMIN);
    const typed = async (text: string): Promise<string[]> => {
      const query = encodeURIComponent(text);
      const code = await get(world, `/ui/device?user_code=${query}x`, { session });
      const find = await get(world, `/ui/admin/tokens?user=${query}x`, { session });
      return [htmlOf(code), htmlOf(find)].map(skeletonOf);
    };
    const plain = await typed('x');
    const wellFormed = fc.oneof(fc.constantFrom(...TRICKS), fc.string({ maxLength: 40 }));
    await fc.assert(fc.asyncProperty(wellFormed, async (text) => assert.deepEqual(await typed(text), plain)));
  });

  it('never changes the shape of the sign-in, the form that is sent away, or an error', () => {
    const { portal } = createPortalWorld();
    const made = (text: string): string[] => {
      const provider = { name: text, label: text, type: 'saml' } as never;
      const action = `https://idp.example.com/sso?x=${encodeURIComponent(text)}`;
      const answers = [
        portal.signInPages.signIn({ providers: [provider], returnTo: `/ui/${text}` }),
        portal.signInPages.sendAway({ kind: 'post', action, fields: { [text]: text } }),
        portal.signInPages.signedOut({ kind: 'redirect', location: action }),
        portal.errorPage(new GatewayError('GW_BAD_REQUEST', `Nobody asked for ${text} here`), text),
      ];
      return answers.map((answer) => skeletonOf(htmlOf(answer)));
    };
    const plain = made('x');
    const wellFormed = fc.oneof(fc.constantFrom(...TRICKS), fc.string({ minLength: 1, maxLength: 40 }));
    fc.assert(fc.property(wellFormed, (text) => assert.deepEqual(made(text), plain)));
  });
});
