import assert from 'node:assert/strict';
import { it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createSignInWorld } from '../world/sign-in-world.ts';

it('/readyz?verbose says which identity provider is not at hand, and why; the replica stays in its balancer', async () => {
  await using world = await createSignInWorld({ idp: { faults: { down: true } } });
  const ready = async (): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz?verbose`);
    return { status: answer.status, text: await answer.text() };
  };
  await eventually('both providers were tried', async () => {
    const { status, text } = await ready();
    assert.equal(status, 200);
    return /provider:oidc\t.*nobody can sign in/.test(text) && /provider:saml\t.*nobody can sign in/.test(text);
  });
});
