import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSelfSigned } from '../../standin/certificates.ts';
import { DEFAULT_PROFILE, PROFILE_CHOICES, type Profile } from '../../standin/vovserver/profile.ts';
import { eventually } from '../world/eventually.ts';
import { freePort } from '../world/redis-process.ts';
import { createWorld, type World, type WorldOptions } from '../world/world.ts';

// Whatever no public page settles about vovserver, each way: an application's calls work through the gateway.

/** Values to try of the switches that take any number, text or flag. */
const VALUES: { readonly [K in keyof Profile]?: readonly Profile[K][] } = {
  tokenType: ['Bearer', 'bearer', 'JWT'],
  expiresIn: [true, false],
  jwtLifeMs: [5000, 14_400_000],
  jwtJitterMs: [0, 1000],
  jwtSaysExpiry: [true, false],
  tokensSurviveRestart: [true, false],
  levelInToken: [true, false],
  lockAfter: [0, 1],
  newCertificateAtRestart: [true, false],
  keepAliveMs: [1, 60_000],
  jobModifyGroup: ['', 'alice'],
  projectNeedsLogin: [true, false],
  defaultLimit: [0, 1],
  schedulerSuspended: [true, false],
  idleMs: [0, 5000],
  queuedMs: [0, 5000],
  slots: [1, 1000],
  forgetDoneMs: [0, 3_600_000],
  forgetOthersMs: [0, 3_600_000],
};
const NAME_PATH = '/api/v3/project/1/project';
const TLS_SWITCHES: ReadonlySet<string> = new Set(['plainHttp', 'minTls', 'maxTls', 'newCertificateAtRestart']);
const valuesOf = (key: keyof Profile): readonly unknown[] => PROFILE_CHOICES[key] ?? VALUES[key] ?? [];
const REST_OF_WORLD = {
  config: { limits: { mode: 'off' }, log: { level: 'error' } },
  queue: { timeouts: { connect: '1s', login: '2s', headers: '2s', body: '2s', total: '4s' } },
};

async function worldWith(profile: Partial<Profile>, queue: Record<string, unknown> = {}): Promise<World> {
  return createWorld({ ...REST_OF_WORLD, queue: { ...REST_OF_WORLD.queue, ...queue }, vovserver: { profile } });
}

/** A world whose bob the gateway lets control anybody's job, as far as vovserver does. */
const worldOfAdmin = (profile: Partial<Profile>): Promise<World> =>
  createWorld({
    ...REST_OF_WORLD,
    config: { ...REST_OF_WORLD.config, identity: { roles: { admin: { users: ['bob'] } } } },
    vovserver: { profile },
  });

let logfile = 0;
const newJob = () => ({ command: 'true', rundir: '/tmp', env: 'BASE', logfile: `log-${++logfile}` });

/** Submit, read, list, stop: the calls of the vendor's scripts. Gives status and body of each. */
async function flow(world: World, token: string) {
  const answers: { what: string; status: number; body: string }[] = [];
  const call = async (what: string, method: string, path: string, json?: unknown): Promise<string> => {
    const answer = await world.call(method, path, { token, ...(json === undefined ? {} : { json }) });
    const body = await answer.text();
    answers.push({ what, status: answer.status, body });
    return body;
  };
  const submitted = await call('submit', 'POST', '/api/v3/jobs', newJob());
  const id = /\d+/.exec(submitted)?.[0] ?? '0';
  await call('read', 'GET', `/api/v3/jobs/${id}/LOGFILE`);
  await call('list', 'GET', "/api/v3/query?select=id,statusnc&from=jobs&where=user=='alice'");
  await call('version', 'GET', '/api/v3/project/1/version');
  await call('stop', 'PUT', `/api/v3/jobs/${id}`, { action: 'stop' });
  return answers;
}

describe('profile of vovserver', () => {
  it('tries every switch', () => {
    const untried = (Object.keys(DEFAULT_PROFILE) as (keyof Profile)[]).filter((key) => valuesOf(key).length === 0);
    assert.deepEqual(untried, []);
  });

  for (const key of Object.keys(DEFAULT_PROFILE) as (keyof Profile)[]) {
    if (TLS_SWITCHES.has(key) || key === 'provider') continue;
    for (const value of valuesOf(key)) {
      it(`${key}=${value}`, async () => {
        const queue = value === 'space-only' ? { authorization: 'space' } : {};
        await using world = await worldWith({ [key]: value }, queue);
        const answers = await flow(world, await world.token('alice'));
        for (const { what, status, body } of answers) {
          assert.doesNotMatch(body, /GW_/, `${what}: ${body}`);
          if (what !== 'stop' && what !== 'read') assert.ok(status < 300, `${what}: ${status} ${body}`);
        }
        assert.equal(world.vovserver.ledger.jobs.length, 1);
      });
    }
  }

  for (const unauthenticatedBody of valuesOf('unauthenticatedBody') as ('json' | 'html' | 'empty')[]) {
    it(`a restart that ends all JWTs, told by 401 with ${unauthenticatedBody}, is met by nobody`, async () => {
      await using world = await worldWith({ unauthenticatedStatus: 401, unauthenticatedBody });
      const token = await world.token('alice');
      await flow(world, token);
      await world.vovserver.restart();
      const [first] = await flow(world, token);
      assert.equal(first?.status, 200, first?.body);
      assert.equal(world.vovserver.ledger.jobs.length, 2);
    });

    it(`told by 403 with ${unauthenticatedBody}, it is found out by the first who meets it`, async () => {
      await using world = await worldWith({ unauthenticatedStatus: 403, unauthenticatedBody });
      const token = await world.token('alice');
      await flow(world, token);
      await world.vovserver.restart();
      const first = await world.call('POST', '/api/v3/jobs', { token, json: newJob() });
      assert.equal(first.status, 403, 'vovserver’s own answer, which may be meant');
      await first.arrayBuffer();
      await eventually('the dead JWT is replaced', async () => {
        const next = await world.call('GET', '/api/v3/project/1/version', { token });
        await next.arrayBuffer();
        return next.status === 200;
      });
      assert.equal((await flow(world, token))[0]?.status, 200);
      assert.equal(world.vovserver.ledger.jobs.length, 2, 'nothing was sent a second time');
    });

    it(`an outage that ends all JWTs, told by 403 with ${unauthenticatedBody}, is met by nobody after it`, async () => {
      await using world = await worldWith({ unauthenticatedStatus: 403, unauthenticatedBody });
      const token = await world.token('alice');
      await flow(world, token);
      await world.vovserver.stop();
      assert.equal((await flow(world, token))[0]?.status, 503);
      await world.vovserver.restart();
      // For a kill the server is looked at once more, and then all the others go.
      await eventually('a kill goes', async () => {
        const kill = await world.call('PUT', '/api/v3/jobs/1', { token, json: { action: 'stop' } });
        assert.notEqual(kill.status, 403, 'the JWT is a new one');
        return !(await kill.text()).includes('GW_');
      });
      assert.equal((await flow(world, token))[0]?.status, 200);
    });
  }

  for (const badLoginStatus of valuesOf('badLoginStatus') as (400 | 401 | 403)[]) {
    it(`a wrong password answered with ${badLoginStatus} is tried once`, async () => {
      await using world = await worldWith({ badLoginStatus });
      world.vovserver.users.set({ alice: 'another', bob: 'pw-bob' });
      const token = await world.token('alice');
      for (const { status, body } of await flow(world, token)) {
        assert.equal(status, 503);
        assert.equal(JSON.parse(body).code, 'GW_CREDENTIAL_UNAVAILABLE');
        assert.doesNotMatch(body, /pw-alice/);
      }
      assert.equal(world.vovserver.ledger.logins.filter(({ user }) => user === 'alice').length, 1);
    });
  }

  it('a privilege that is missing, told by 403, costs no login', async () => {
    await using world = await worldOfAdmin({ denial: '403' });
    const [alice, bob] = [await world.token('alice'), await world.token('bob')];
    const made = (await (await world.call('POST', '/api/v3/jobs', { token: alice, json: newJob() })).json()) as {
      jobid: number;
    };
    const asked = () => world.vovserver.ledger.requests.filter(({ target }) => target === NAME_PATH).length;
    const before = asked();
    for (let i = 0; i < 20; i++) {
      const stop = { token: bob, json: { action: 'stop' } };
      assert.equal((await world.call('PUT', `/api/v3/jobs/${made.jobid}`, stop)).status, 403);
    }
    await eventually('the JWT was looked at', () => asked() > before);
    assert.equal(asked(), before + 1, 'once in a while, not for every denial');
    assert.equal(world.vovserver.ledger.logins.filter(({ user }) => user === 'bob').length, 1);
  });

  for (const denial of valuesOf('denial') as Profile['denial'][]) {
    it(`a privilege that is missing, told by ${denial}, stays the caller's affair`, async () => {
      await using world = await worldOfAdmin({ denial });
      const [alice, bob] = [await world.token('alice'), await world.token('bob')];
      const submitted = await world.call('POST', '/api/v3/jobs', { token: alice, json: newJob() });
      const made = (await submitted.json()) as { jobid: number };
      const answer = await world.call('PUT', `/api/v3/jobs/${made.jobid}`, { token: bob, json: { action: 'stop' } });
      const body = await answer.text();
      assert.doesNotMatch(body, /"jobid":\d+,"ok"/);
      assert.ok(
        answer.status === 403 || answer.status === 503 || /errmsg|error/.test(body),
        `${answer.status} ${body}`,
      );
      assert.notEqual(answer.status, 401, 'a 401 would send the caller to look for another access token');
      assert.equal((await flow(world, alice))[0]?.status, 200);
    });
  }
});

/** A world in front of a stand-in with TLS, by pin. */
async function tlsWorld(profile: Partial<Profile>, over: WorldOptions = {}): Promise<World> {
  const leaf = await createSelfSigned();
  return createWorld({
    ...REST_OF_WORLD,
    ...over,
    queue: { ...REST_OF_WORLD.queue, tls: { verify: 'pin', pins: [leaf.spkiPin] }, ...over.queue },
    vovserver: { transport: 'https-selfsigned', leaf, profile },
  });
}

describe('TLS profile of vovserver', () => {
  for (const minTls of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const maxTls of ['TLSv1.2', 'TLSv1.3'] as const) {
      if (minTls > maxTls) continue;
      it(`${minTls} to ${maxTls}`, async () => {
        await using world = await tlsWorld({ minTls, maxTls });
        const answers = (await flow(world, await world.token('alice'))).filter(({ what }) => what !== 'stop');
        for (const { what, status, body } of answers) assert.equal(status, 200, `${what}: ${body}`);
      });
    }
  }

  it('a server below the minimum version is refused before a byte of HTTP is sent', async () => {
    await using world = await tlsWorld({ minTls: 'TLSv1.2', maxTls: 'TLSv1.2' });
    world.gateway.reload({
      ...world.config,
      queues: world.config.queues.map((queue) => ({ ...queue, tls: { ...queue.tls, minVersion: 'TLSv1.3' as const } })),
    });
    for (const { status, body } of await flow(world, await world.token('alice'))) {
      assert.equal(status, 502);
      assert.equal(JSON.parse(body).code, 'GW_UPSTREAM_TLS');
    }
    assert.deepEqual(world.vovserver.ledger.requests, []);
    assert.deepEqual(world.vovserver.ledger.logins, []);
  });

  for (const newCertificateAtRestart of [true, false]) {
    it(`a restart with ${newCertificateAtRestart ? 'a new' : 'the same'} certificate`, async () => {
      await using world = await tlsWorld({ newCertificateAtRestart });
      const token = await world.token('alice');
      assert.equal((await flow(world, token))[0]?.status, 200);
      await world.vovserver.restart();
      const mark = world.vovserver.ledger.seq;
      const [first] = await flow(world, token);
      assert.equal(first?.status, newCertificateAtRestart ? 502 : 200, first?.body);
      if (!newCertificateAtRestart) return;
      assert.match(first?.body ?? '', /GW_UPSTREAM_TLS/);
      assert.equal(world.vovserver.ledger.seq, mark, 'nothing reaches a server with an unknown key');
    });
  }

  for (const plainHttp of valuesOf('plainHttp') as Profile['plainHttp'][]) {
    it(`http:// towards a TLS port: ${plainHttp}`, async () => {
      const port = await freePort();
      const leaf = await createSelfSigned();
      await using world = await createWorld({
        ...REST_OF_WORLD,
        queue: { ...REST_OF_WORLD.queue, urls: [`http://127.0.0.1:${port}`] },
        vovserver: { transport: 'https-selfsigned', port, leaf, profile: { plainHttp } },
      });
      const [first] = await flow(world, await world.token('alice'));
      if (plainHttp === 'served') assert.equal(first?.status, 200);
      else {
        assert.ok(first !== undefined && [502, 503].includes(first.status), `${first?.status} ${first?.body}`);
        assert.match(first.body, /GW_UPSTREAM_INVALID|GW_UPSTREAM_DOWN|GW_CREDENTIAL_UNAVAILABLE/);
      }
    });
  }
});

describe('a server that is not the queue', () => {
  const answerOf = async (world: World) => {
    const token = await world.token('alice');
    const answer = await world.call('POST', '/api/v3/jobs', { token, json: newJob() });
    return { status: answer.status, problem: (await answer.json()) as { code: string; detail: string } };
  };

  it('another queue: 503 that names both, and no call of a caller reaches it', async () => {
    await using world = await createWorld({ ...REST_OF_WORLD, vovserver: { queueName: 'night' } });
    const { status, problem } = await answerOf(world);
    assert.equal(status, 503);
    assert.equal(problem.code, 'GW_UPSTREAM_WRONG_QUEUE');
    assert.match(problem.detail, /"night", not "test"/);
    assert.deepEqual(world.vovserver.ledger.jobs, []);
    const ready = await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz?verbose`);
    assert.equal(ready.status, 200, 'a replica stays in the balancer while only vovserver is at fault');
    assert.match(await ready.text(), /wrong_queue/);
  });

  it('HTML: 502 that says so', async () => {
    await using world = await createWorld({ ...REST_OF_WORLD });
    world.vovserver.addFault({ kind: 'answer', status: 200, body: 'html', path: '/project/' });
    const { status, problem } = await answerOf(world);
    assert.equal(status, 502);
    assert.equal(problem.code, 'GW_UPSTREAM_INVALID');
    assert.match(problem.detail, /HTML/);
    assert.deepEqual(world.vovserver.ledger.jobs, []);
  });

  it('HTML for a login: a clear problem, and the password is not sent again at once', async () => {
    await using world = await createWorld({ ...REST_OF_WORLD });
    world.vovserver.addFault({ kind: 'answer', status: 200, body: 'html', path: '/token' });
    for (let i = 0; i < 5; i++) {
      const { status, problem } = await answerOf(world);
      assert.ok([502, 503].includes(status), `${status}`);
      assert.match(problem.code, /^GW_(UPSTREAM_INVALID|CREDENTIAL_UNAVAILABLE)$/);
    }
    assert.ok(world.vovserver.ledger.logins.length <= 5);
  });

  it('no REST API at all: a clear problem', async () => {
    await using world = await createWorld({ ...REST_OF_WORLD, vovserver: { profile: { provider: 'legacy' } } });
    const { status, problem } = await answerOf(world);
    assert.ok([502, 503].includes(status), `${status}`);
    assert.match(problem.code, /^GW_/);
  });
});
