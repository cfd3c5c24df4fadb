import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { spkiPin } from '../../standin/certificates.ts';

const MAIN = fileURLToPath(new URL('../../standin/main.ts', import.meta.url));

interface Run extends AsyncDisposable {
  readonly child: ChildProcess;
  /** `vovserver`, `control` and `pin` as printed. */
  readonly lines: ReadonlyMap<string, string>;
  /** Ends it by SIGTERM and gives its exit code. */
  stop(): Promise<number | null>;
}

async function start(...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, '--port', '0', '--control-port', '0', ...args], { stdio: 'pipe' });
  const exited = once(child, 'exit');
  const lines = new Map<string, string>();
  let text = '';
  for await (const piece of child.stdout.iterator({ destroyOnReturn: false })) {
    text += piece;
    for (const line of text.split('\n')) lines.set(line.split(' ')[0] ?? '', line.split(' ')[1] ?? '');
    if (lines.has('control') && text.endsWith('\n')) break;
  }
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM');
    return (await exited)[0];
  };
  return {
    child,
    lines,
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) await stop();
    },
  };
}

async function login(url: string, ca: string, body: string): Promise<{ status: number; text: string }> {
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await request(`${url}/api/v3/token`, { dispatcher, method: 'POST', headers, body });
  const text = await answer.body.text();
  await dispatcher.close();
  return { status: answer.statusCode, text };
}

describe('the command', () => {
  it('serves over a CA-signed certificate that it writes out, and ends by SIGTERM with 0', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'standin-'));
    await writeFile(join(dir, 'users.json'), '{"carol":{"password":"c:c","level":"LEADER"}}');
    const args = [
      '--transport',
      'https-ca',
      '--cert-dir',
      join(dir, 'tls'),
      '--san',
      'vov.example',
      '--jwt-life',
      '20s',
    ];
    await using run = await start(...args, '--users', 'alice:pw:1,bob:pw', '--users-file', join(dir, 'users.json'));
    const url = run.lines.get('vovserver') ?? '';
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const ca = await readFile(join(dir, 'tls', 'ca.pem'), 'utf8');
    const certPem = await readFile(join(dir, 'tls', 'cert.pem'), 'utf8');
    assert.equal(spkiPin(certPem), run.lines.get('pin'));
    for (const body of ['username=alice&password=pw:1', 'username=bob&password=pw', 'username=carol&password=c:c']) {
      const { status, text } = await login(url, ca, body);
      assert.equal(status, 200, body);
      const claims = JSON.parse(Buffer.from(JSON.parse(text).access_token.split('.')[1], 'base64url').toString());
      assert.equal(claims.exp - claims.iat, 20);
    }
    const logins = await (await fetch(`${run.lines.get('control')}/ledger/logins`)).json();
    assert.equal((logins as unknown[]).length, 3);
    assert.equal(await run.stop(), 0);
    await rm(dir, { recursive: true });
  });

  it('serves plain HTTP with switches and a clock that stands still', async () => {
    await using run = await start(
      '--transport',
      'http',
      '--users',
      'a:b',
      '--clock',
      'manual',
      '--profile',
      'slots=3',
      '--profile',
      'plainHttp=served',
    );
    const control = run.lines.get('control');
    const profile = (await (await fetch(`${control}/profile`)).json()) as Record<string, unknown>;
    assert.deepEqual([profile.slots, profile.plainHttp], [3, 'served']);
    await login(run.lines.get('vovserver') ?? '', '', 'username=a&password=b');
    await fetch(`${control}/clock`, { method: 'POST', body: '{"advanceMs":5000}' });
    await login(run.lines.get('vovserver') ?? '', '', 'username=a&password=b');
    const [first, second] = (await (await fetch(`${control}/ledger/logins`)).json()) as { at: number }[];
    assert.equal((second?.at ?? 0) - (first?.at ?? 0), 5000);
  });

  it('says on stderr what is wrong and exits with 1', async () => {
    const child = spawn(process.execPath, [MAIN, '--transport', 'carrier-pigeon'], { stdio: 'pipe' });
    let text = '';
    child.stderr.on('data', (piece) => {
      text += piece;
    });
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(text, /^standin: --transport carrier-pigeon: must be http, /);
  });
});
