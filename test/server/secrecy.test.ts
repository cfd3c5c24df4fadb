import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { send } from '../security/raw.ts';
import { createWorld } from '../world/world.ts';

const READ = '/api/v3/project/1/version';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** What a JWT of the stand-in looks like; every JWT does. */
const JWT = /eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/;

describe('secrets', () => {
  it('never reach the log, the metrics, readiness or an answer, whatever goes wrong', async () => {
    await using world = await createWorld({
      config: { log: { level: 'trace' }, limits: { mode: 'off' } },
      queue: { timeouts: { headers: '500ms', login: '500ms' } },
    });
    const { vovserver, gateway } = world;
    const token = await world.token('alice');
    const exchanged = await world.call('POST', '/api/v3/token', {
      body: new URLSearchParams({ username: 'alice', password: token }).toString(),
      headers: FORM,
    });
    const { access_token: derived } = (await exchanged.json()) as { access_token: string };
    const mistyped = `${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`;
    const typed = 'hunter2-typed-password';
    const secrets = [token, derived, mistyped, typed, 'pw-alice', 'pw-bob'];
    const answers: string[] = [];
    const note = async (calling: Promise<Response>): Promise<void> => {
      const answer = await calling;
      answers.push(JSON.stringify([...answer.headers]), await answer.text().catch(() => 'cut'));
    };
    await note(world.call('GET', READ, { token }));
    await note(world.call('GET', READ, { token: derived }));
    await note(world.call('GET', READ, { token: mistyped }));
    await note(world.call('GET', READ, { headers: { authorization: `Basic ${btoa(`alice:${typed}`)}` } }));
    await note(world.call('GET', `${READ}?access_token=${token}`, { token: typed }));
    await note(world.call('GET', `/nowhere?token=${token}`));
    await note(
      world.call('POST', '/api/v3/token', {
        body: `username=alice&password=${typed}&password=${typed}`,
        headers: FORM,
      }),
    );
    await note(world.call('POST', '/api/v3/token', { body: `username=${typed}&password=${typed}`, headers: FORM }));
    await note(world.call('POST', '/api/v3/token', { json: { username: 'alice', password: typed } }));
    for (const kind of ['refuse-jwt', 'reset-after', 'answer', 'raw', 'bad-header', 'short-body'] as const) {
      using _fault = vovserver.addFault({ kind, times: 2 });
      await note(world.call('GET', READ, { token }));
      await note(world.call('GET', READ, { token: await world.token('bob') }));
    }
    vovserver.users.set({ alice: 'changed', bob: 'changed' });
    await vovserver.restart();
    await note(world.call('GET', READ, { token }));
    await send(
      gateway.port,
      `GET ${READ} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\nBad Header: ${typed}\r\n\r\n`,
    );
    const admin = `http://127.0.0.1:${gateway.adminPort}`;
    const shown = [
      await (await fetch(`${admin}/metrics`)).text(),
      await (await fetch(`${admin}/readyz?verbose`)).text(),
    ];
    await gateway.drain({ wait: false });
    const places = { log: world.log, answers, shown };
    assert.ok(world.log.length > 20);
    for (const [place, texts] of Object.entries(places)) {
      for (const text of texts) {
        for (const secret of secrets) {
          const encoded = [
            secret,
            Buffer.from(secret).toString('base64').replace(/=+$/, ''),
            encodeURIComponent(secret),
          ];
          assert.ok(!encoded.some((form) => text.includes(form)), `${place}: ${text}`);
        }
        assert.doesNotMatch(text, JWT, place);
      }
    }
  });

  it('the token endpoint shows the new token once, and nothing else does', async () => {
    await using world = await createWorld();
    const token = await world.token('alice');
    const list = JSON.stringify(await world.gateway.tokens.list());
    assert.ok(!list.includes(token));
    assert.ok(!list.includes(token.slice(-34)));
  });
});
