import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBrowser, createGateway, createOidcRig, SUBJECT } from './oidc-rig.ts';

describe('a sign-in by OpenID Connect', () => {
  it('ends with what the provider says of the person', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser, '/ui/tokens');
    const { assertion, providerSession, returnTo, until } = await gateway.finish(browser, callback);
    assert.equal(assertion.provider, 'corp');
    assert.equal(assertion.issuer, rig.issuer);
    assert.deepEqual(assertion.attributes.sub, [SUBJECT]);
    assert.deepEqual(assertion.attributes.preferred_username, ['alice']);
    assert.deepEqual(assertion.attributes.groups, ['engineers', 'cad']);
    assert.deepEqual(assertion.attributes['realm_access.roles'], ['submitter']);
    assert.deepEqual(assertion.attributes.active, ['true']);
    assert.equal(providerSession.keys[0], `sub:${SUBJECT}`);
    assert.match(providerSession.keys[1] ?? '', /^sid:.+/);
    assert.equal(returnTo, '/ui/tokens');
    assert.equal(until, null);
  });
});
