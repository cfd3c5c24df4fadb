import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { createIdp } from '../../standin/idp/index.ts';
import { createBrowser, signInAs } from '../world/browser.ts';
import { createRelyingParty } from './relying-party.ts';

const MAIN = fileURLToPath(new URL('../../standin/idp/main.ts', import.meta.url));

async function signedInTwice() {
  const idp = await createIdp();
  const party = await createRelyingParty(idp);
  const { browser } = await signInAs(party.url, 'oidc', 'alice');
  await signInAs(party.url, 'saml', 'alice', browser);
  const isOut = async (): Promise<boolean> =>
    (await browser.settle(await browser.open(`${party.url}/oidc/oidc/login`))).body.includes('asks for no password');
  return {
    idp,
    party,
    browser,
    isOut,
    async [Symbol.asyncDispose]() {
      await party[Symbol.asyncDispose]();
      await idp[Symbol.asyncDispose]();
    },
  };
}

describe('one login over both protocols', () => {
  it('asks once', async () => {
    await using world = await signedInTwice();
    const asked = world.browser.history.filter((line) => line === `POST ${world.idp.url}/login`);
    assert.equal(asked.length, 1);
  });

  it('ends everywhere at /logout', async () => {
    await using world = await signedInTwice();
    const { idp, party, browser } = world;
    const page = await browser.submit(await browser.open(`${idp.url}/logout`));
    assert.match(page.body, /signed out everywhere/);
    assert.equal(party.seen.logoutTokens.length, 1);
    const token = decodeJwt(party.seen.logoutTokens[0] ?? '');
    assert.equal(token.sid, party.seen.claims?.sid);
    assert.equal(party.seen.logoutRequests.length, 1);
    assert.equal(party.seen.logoutRequests[0]?.nameID, 'p-7f3a91c2');
    assert.equal(party.seen.logoutRequests[0]?.sessionIndex, party.seen.profile?.sessionIndex);
    assert.ok(await world.isOut());
  });

  it('ends everywhere when an application signs out by OpenID Connect', async () => {
    await using world = await signedInTwice();
    const { party, browser } = world;
    const page = await browser.settle(await browser.open(`${party.url}/oidc/oidc/logout`));
    assert.equal(page.url, `${party.url}/signed-out`);
    assert.deepEqual([party.seen.logoutTokens.length, party.seen.logoutRequests.length], [1, 1]);
    assert.ok(await world.isOut());
  });

  it('ends everywhere when an application signs out by SAML', async () => {
    await using world = await signedInTwice();
    const { party, browser } = world;
    const page = await browser.settle(await browser.open(`${party.url}/saml/saml/logout`));
    assert.equal(page.body, 'signed out by SAML');
    assert.match(page.url, /RelayState=bye/);
    assert.deepEqual([party.seen.logoutTokens.length, party.seen.errors], [1, []]);
    assert.ok(await world.isOut());
  });

  it('names an application that could not be told', async () => {
    await using world = await signedInTwice();
    const { idp, party, browser } = world;
    await party[Symbol.asyncDispose]();
    const page = await browser.submit(await browser.open(`${idp.url}/logout`));
    assert.match(page.body, new RegExp(`could not be told.*${party.url}/oidc/oidc/backchannel-logout`, 's'));
  });
});

describe('the pages of the demo identity provider', () => {
  it('say that it is a demo, and work without script', async () => {
    await using idp = await createIdp();
    const browser = createBrowser();
    const page = await browser.open(`${idp.url}/login?onward=//elsewhere.example.com/`);
    assert.match(page.body, /<html lang="en">.*This is a demo/s);
    assert.deepEqual(page.forms[0]?.choices.person, ['alice', 'bob', 'carol']);
    const home = await browser.submit(page, { person: 'alice' });
    assert.equal(home.url, `${idp.url}/`);
    assert.match(home.body, /Alice Archer/);
  });

  it('say who is not there, with the name escaped', async () => {
    await using idp = await createIdp();
    const browser = createBrowser();
    const page = await browser.submit(await browser.open(`${idp.url}/login`), { person: '<b>mallory' });
    assert.equal(page.status, 400);
    assert.match(page.body, /role="alert">Nobody here is called &lt;b&gt;mallory/);
  });

  it('say what was wrong with a message', async () => {
    await using idp = await createIdp();
    const none = await fetch(`${idp.url}/saml/sso`);
    assert.deepEqual([none.status, /no SAMLRequest/.test(await none.text())], [400, true]);
    assert.equal((await fetch(`${idp.url}/saml/nothing`)).status, 404);
    assert.equal((await fetch(`${idp.url}/saml/continue?id=x`)).status, 400);
  });
});

describe('the demo identity provider by itself', () => {
  it('prints where it is and stops at SIGTERM', async () => {
    const child = spawn(process.execPath, [MAIN, '--port', '0', '--gateway', 'http://127.0.0.1:8080/']);
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    const issuer = /^issuer (\S+)/.exec(String(chunk))?.[1] ?? '';
    const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as { issuer: string };
    assert.equal(discovery.issuer, issuer);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('says how an argument is wrong', async () => {
    for (const [name, value] of [
      ['--port', 'x'],
      ['--gateway', 'gateway'],
    ] as const) {
      const child = spawn(process.execPath, [MAIN, name, value]);
      const [chunk] = (await once(child.stderr, 'data')) as [Buffer];
      assert.match(String(chunk), new RegExp(`idp: ${name} ${value}: must be`));
      assert.deepEqual(await once(child, 'exit'), [1, null]);
    }
  });
});
