import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../../standin/certificates.ts';
import { PROFILE_CHOICES, type Profile } from '../../standin/vovserver/index.ts';
import { pythonWithRequests } from '../world/python.ts';
import { createWorld, type World } from '../world/world.ts';

interface Run {
  readonly code: number | null;
  readonly lines: readonly Record<string, unknown>[];
  readonly err: string;
}

/** Runs one of the Python programs beside this file; the password goes in by standard input. */
function python(program: string, args: readonly string[], env: Record<string, string>, password: string): Promise<Run> {
  return new Promise((resolve) => {
    const file = join(import.meta.dirname, 'python', program);
    const quiet = { PYTHONWARNINGS: 'ignore', PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(pythonWithRequests(), [file, ...args], { env: { PATH: process.env.PATH, ...quiet, ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.stdin.end(`${password}\n`);
    child.once('exit', (code) => {
      resolve({
        code,
        err,
        lines: out
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      });
    });
  });
}

const urlOf = (world: World): string => `http://127.0.0.1:${world.gateway.port}`;

/** Submits with the module, then reads the job with plain requests; both as alice. */
async function bothFlows(world: World, marker: string, env: Record<string, string> = {}): Promise<void> {
  const token = await world.token('alice');
  const shared = { NC_URL: urlOf(world), USER: 'alice', ...env };
  const module = await python('module_flow.py', [marker], shared, token);
  assert.equal(module.code, 0, module.err);
  const [queue, job, list, version] = module.lines;
  assert.deepEqual(queue, { queue: 'test' });
  assert.equal(typeof job?.jobid, 'number');
  assert.ok(JSON.stringify(list?.rows).includes(`LOG.${marker}`), JSON.stringify(list));
  assert.equal(typeof version?.version, 'string');
  const id = String(job?.jobid);
  const direct = await python('direct_flow.py', [id, id.padStart(9, '0'), `${id}/`], shared, token);
  assert.equal(direct.code, 0, direct.err);
  for (const read of direct.lines) {
    const folded = Object.fromEntries(Object.entries(read).map(([key, value]) => [key.toUpperCase(), value]));
    assert.equal(folded.USER, 'alice');
    assert.ok(String(folded.COMMAND).includes('sleep 33'));
  }
}

describe('the vendor’s way of programs, in Python', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  it('runs with the URL and the password changed', () => bothFlows(world, 'plain'));

  it('never hands a vovserver JWT or password out, and sends vovserver no gateway token', async () => {
    const token = await world.token('alice');
    const answer = await world.call('POST', '/api/v3/token', {
      body: new URLSearchParams({ username: 'alice', password: token }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    const granted = (await answer.json()) as Record<string, string>;
    assert.deepEqual(Object.keys(granted).sort(), ['access_token', 'token_type']);
    assert.match(granted.access_token ?? '', /^vgw_/);
    assert.ok(!JSON.stringify(world.vovserver.ledger).includes('vgw_'));
  });

  it('gets the error text that the scripts print when the token is wrong', async () => {
    const env = { NC_URL: urlOf(world), USER: 'alice' };
    const direct = await python('direct_flow.py', ['1'], env, 'vgw_wrong');
    assert.equal(direct.code, 1);
    assert.equal(direct.lines[0]?.status, 401);
    assert.equal(typeof direct.lines[0]?.error, 'string');
    const module = await python('module_flow.py', ['wrong'], env, 'vgw_wrong');
    assert.notEqual(module.code, 0);
    assert.match(module.err, /401/);
  });

  it('refuses the token of another user under one’s own name', async () => {
    const token = await world.token('bob');
    const direct = await python('direct_flow.py', ['1'], { NC_URL: urlOf(world), USER: 'alice' }, token);
    assert.equal(direct.lines[0]?.status, 401);
  });
});

describe('the same programs under every unknown behaviour of vovserver', () => {
  const switches = Object.entries(PROFILE_CHOICES) as [keyof Profile, readonly Profile[keyof Profile][]][];
  // Switches under which a submission or a read is refused by vovserver itself, whoever asks.
  const refusing = new Set(['provider=legacy']);
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const [key, values] of switches) {
    for (const value of values) {
      const name = `${key}=${value}`;
      if (refusing.has(name) || key === 'minTls' || key === 'maxTls' || key === 'plainHttp') continue;
      it(name, async () => {
        world.vovserver.reset();
        const queue = key === 'authorization' && value === 'space-only' ? { authorization: 'space' } : {};
        await using own = await createWorld({ queue, vovserver: { profile: { [key]: value } } });
        await bothFlows(own, key);
      });
    }
  }
});

describe('the same programs over verified TLS', () => {
  it('trust the gateway by its authority and refuse another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vovgw-clients-'));
    const authority = await createAuthority();
    const other = await createAuthority();
    const leaf = await authority.leaf();
    const files = { cert: leaf.certPem, key: leaf.keyPem, ca: authority.certPem, other: other.certPem };
    for (const [name, pem] of Object.entries(files)) await writeFile(join(folder, `${name}.pem`), pem, { mode: 0o600 });
    await using world = await createWorld({
      config: { server: { tls: { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') } } },
    });
    const env = { NC_URL: `https://localhost:${world.gateway.port}`, USER: 'alice' };
    const token = await world.token('alice');
    const good = await python('module_flow.py', ['tls'], { ...env, VOV_REST_CA: join(folder, 'ca.pem') }, token);
    assert.equal(good.code, 0, good.err);
    const bad = await python('module_flow.py', ['tls'], { ...env, VOV_REST_CA: join(folder, 'other.pem') }, token);
    assert.notEqual(bad.code, 0);
    assert.match(bad.err, /CERTIFICATE_VERIFY_FAILED/);
    await rm(folder, { recursive: true, force: true });
  });
});
