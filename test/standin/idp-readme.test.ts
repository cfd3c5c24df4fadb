import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/index.ts';
import { createIdp, PEOPLE } from '../../standin/idp/index.ts';

const README = readFileSync(new URL('../../standin/README.md', import.meta.url), 'utf8');

test('the README of the demo identity provider shows a configuration that is accepted', () => {
  const shown = /```yaml\n(signIn:.*?)```/s.exec(README)?.[1] ?? '';
  const result = parseConfig({
    mode: 'development',
    server: { host: '127.0.0.1', port: 8080, publicUrl: 'http://127.0.0.1:8080' },
    queues: [{ name: 'q', urls: ['https://vov.example.com:6271'], tls: { verify: 'ca' } }],
    ...(parse(shown) as object),
  });
  // The files are the reader's own.
  const faults = result.ok ? [] : result.faults.filter(({ reason }) => !/cannot be read: ENOENT/.test(reason));
  assert.deepEqual(
    faults.map(({ path, reason }) => `${path} ${reason}`),
    [],
  );
  assert.match(shown, /type: oidc.*type: saml/s);
});

test('the README of the demo identity provider names its people and its client', async () => {
  await using idp = await createIdp();
  for (const { name, subject, groups } of PEOPLE) {
    assert.ok(README.includes(`| ${name} | ${subject} | ${groups.join(', ')} |`), name);
  }
  assert.ok(README.includes(`clientId: ${idp.clientId}\n`) && README.includes(`clientSecret: ${idp.clientSecret}\n`));
});

test('an identity provider on every address is reached by a name', async () => {
  await using idp = await createIdp({ host: '0.0.0.0' });
  assert.equal(idp.url, `http://localhost:${idp.port}`);
  assert.equal((await fetch(`${idp.url}/.well-known/openid-configuration`)).status, 200);
});
