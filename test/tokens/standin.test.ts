import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

const list = (world: World, token: string): Promise<Response> =>
  world.call('GET', '/api/v3/project/1/version', { token });

/** The problem document of an answer. */
const problemOf = async (answer: Response): Promise<{ code?: string; detail?: string }> =>
  (await answer.json()) as { code?: string; detail?: string };

describe('the broker in the gateway, in front of the stand-in vovserver', () => {
  it('logs in once and replaces JWTs before they end', async () => {
    await using world = await createWorld({ vovserver: { profile: { jwtLifeMs: 4000 } } });
    const token = await world.token('alice');
    await eventually('three logins', async () => {
      assert.equal((await list(world, token)).status, 200);
      return world.vovserver.ledger.logins.length >= 3;
    });
    assert.deepEqual(
      new Set(world.vovserver.ledger.logins.map(({ user, result }) => `${user} ${result}`)),
      new Set(['alice ok']),
    );
    const calls = world.vovserver.ledger.requests.filter(({ target }) => target.endsWith('/version'));
    assert.ok(calls.length > 3);
    assert.ok(calls.every(({ auth }) => auth === 'ok'));
  });

  it('gets a new JWT after a restart of vovserver, unseen by the caller', async () => {
    await using world = await createWorld();
    const token = await world.token('alice');
    assert.equal((await list(world, token)).status, 200);
    await world.vovserver.restart();
    assert.equal((await list(world, token)).status, 200);
    assert.equal(world.vovserver.ledger.logins.length, 2);
  });

  it('tries a wrong password once and the corrected one at once', async () => {
    await using world = await createWorld();
    const file = join(world.passwords, 'alice');
    await writeFile(file, 'wrong');
    const token = await world.token('alice');
    for (let call = 0; call < 5; call += 1) {
      const answer = await list(world, token);
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers.get('retry-after')) > 60);
      const { code, detail } = await problemOf(answer);
      assert.equal(code, 'GW_CREDENTIAL_UNAVAILABLE');
      assert.match(detail ?? '', /rejected the password of account alice on queue test/);
    }
    assert.equal(world.vovserver.ledger.logins.length, 1);
    await writeFile(file, 'pw-alice\n');
    assert.equal((await list(world, token)).status, 200);
    assert.equal(world.vovserver.ledger.logins.length, 2);
    assert.doesNotMatch(world.log.join('\n'), /pw-alice|"wrong"/);
  });

  it('tells the administrator which file is of no use, and the caller only that it is', async () => {
    await using world = await createWorld();
    await writeFile(join(world.passwords, 'alice'), '');
    const answer = await list(world, await world.token('alice'));
    assert.equal(answer.status, 503);
    const { detail } = await problemOf(answer);
    assert.ok(!detail?.includes(world.passwords));
    const line = await eventually('the log says it', () => world.log.find((text) => text.includes('is empty')));
    assert.ok(line.includes(join(world.passwords, 'alice')));
  });

  it('serves a call whose good JWT was refused once', async () => {
    await using world = await createWorld({
      vovserver: { faults: { rules: [{ kind: 'refuse-jwt', path: 'version', times: 1 }] } },
    });
    const token = await world.token('alice');
    assert.equal((await list(world, token)).status, 200);
    assert.equal((await list(world, token)).status, 200);
    assert.equal(world.vovserver.ledger.logins.length, 2);
  });
});
