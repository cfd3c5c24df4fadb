import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createProviderCalls, isCallable } from '../../src/auth/oidc/provider-calls.ts';
import { ProviderUnreachable } from '../../src/auth/oidc/unreachable.ts';
import { createAuthority } from '../../standin/certificates.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';

const silent = () => undefined;
const report = { log: { debug: silent, info: silent, warn: silent, error: silent } };

describe('calls to an identity provider', () => {
  it('trust the CA bundle of the provider, also after it was replaced, and nobody else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'oidc-ca-'));
    const caFile = join(folder, 'ca.pem');
    const [authority, another] = [await createAuthority(), await createAuthority('Another authority')];
    const leaf = await authority.leaf();
    const server = createServer({ key: leaf.keyPem, cert: leaf.certPem }, (_request, response) =>
      response.end('{"a":1}'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/doc?secret=1`;
    const clock = createManualClock();
    try {
      writeFileSync(caFile, another.certPem);
      await using strict = createProviderCalls({ caFile, clock, report });
      await assert.rejects(strict.json(url), (error: unknown) => {
        assert.ok(error instanceof ProviderUnreachable);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
      writeFileSync(caFile, `${authority.certPem}\n${another.certPem}`);
      await eventually('the new bundle is in use', async () => {
        await clock.advance(60_000);
        return strict.json(url);
      });
      await using system = createProviderCalls({ clock, report });
      await assert.rejects(system.json(url), ProviderUnreachable);
    } finally {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('go by https, or by http to this machine', () => {
    const good = ['https://idp.example.com/x', 'http://localhost:1/x', 'http://127.0.0.1/', 'http://[::1]:8080/'];
    for (const url of good) assert.equal(isCallable(url), true, url);
    const bad = [
      'http://idp.example.com/',
      'http://127.0.0.1.example.com/',
      'http://localhost.example.com/',
      'https://user:pass@idp.example.com/',
      'ftp://localhost/',
      'file:///etc/passwd',
      'javascript:1',
      '/relative',
      '',
    ];
    for (const url of bad) assert.equal(isCallable(url), false, url);
  });
});
