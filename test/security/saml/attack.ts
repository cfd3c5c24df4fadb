import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from '../../world/browser.ts';
import { type Genuine, type Stage, type StageIdp, sessionOf } from './genuine.ts';

/** One attempt to get in with what was made of a genuine response. */
export interface Attack<P extends StageIdp = StageIdp> {
  readonly name: string;
  /** What is sent in its place. */
  readonly forge: (xml: string, stage: Stage<P>) => string | Promise<string>;
  /** What the log must say after `saml: failed: `, or after `saml: denied: `. */
  readonly reason: RegExp;
  readonly code?: 'GW_SIGN_IN_FAILED' | 'GW_SIGN_IN_DENIED';
}

const REQUEST_ID = /[0-9a-f]{32}/g;

/** What everybody may see of an error page, without what differs for each request. */
export const publicText = (page: Page): string => page.body.replace(REQUEST_ID, '<id>');

const OUTCOME = { GW_SIGN_IN_FAILED: 'failed', GW_SIGN_IN_DENIED: 'denied' } as const;

/** Asserts that a delivery got no session, the public page of `code` and this reason in the log. */
export function assertRefused(
  stage: Pick<Stage, 'gateway'>,
  genuine: Genuine,
  page: Page,
  { reason, code = 'GW_SIGN_IN_FAILED' }: Pick<Attack, 'reason' | 'code'>,
  known: Map<string, string>,
): void {
  const why = stage.gateway.refusals().at(-1) ?? '';
  assert.equal(sessionOf(stage, genuine.browser), null, `a session was opened; ${page.headers.get('location')}`);
  assert.deepEqual([page.status, page.body.includes(code)], [403, true], `${page.status} ${page.body} (${why})`);
  const text = publicText(page);
  assert.equal(text, known.get(code) ?? text, 'the public text differs from that of another reason');
  known.set(code, text);
  assert.match(why, new RegExp(`^saml: ${OUTCOME[code]}: `));
  assert.match(why, reason);
}

/** Runs each attack as a test by name on one stage, and shows at the end that the genuine response still signs in. */
export function describeAttacks<P extends StageIdp>(
  title: string,
  attacks: readonly Attack<P>[],
  options: { readonly stage: () => Promise<Stage<P>>; readonly person?: string },
): void {
  describe(title, () => {
    const known = new Map<string, string>();
    let stage: Stage<P>;
    before(async () => {
      stage = await options.stage();
    });
    after(() => stage[Symbol.asyncDispose]());
    for (const attack of attacks) {
      it(attack.name, async () => {
        const genuine = await stage.genuine(options.person);
        const forged = await attack.forge(genuine.xml, stage);
        assert.notEqual(forged, genuine.xml, 'nothing was changed');
        const count = stage.gateway.refusals().length;
        const page = await stage.deliver(genuine, forged);
        assertRefused(stage, genuine, page, attack, known);
        assert.equal(stage.gateway.refusals().length, count + 1);
      });
    }
    it('and the genuine response still signs in', async () => {
      const genuine = await stage.genuine(options.person);
      const page = await stage.deliver(genuine);
      assert.deepEqual([page.status, page.headers.get('location')], [303, '/ui/'], page.body);
      assert.notEqual(sessionOf(stage, genuine.browser), null);
    });
  });
}
