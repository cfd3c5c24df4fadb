import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

describe('a token that is revoked while its call stands in the line', () => {
  let world: World;
  let alice = '';

  before(async () => {
    const one = { concurrency: 1 };
    const lanes = { mode: 'fixed', submit: one, list: one } as const;
    world = await createWorld({ config: { log: { level: 'error' }, limits: { lanes } } });
    alice = await world.token('alice');
  });
  after(() => world[Symbol.asyncDispose]());

  /** How many wait for a turn of a lane, by the metrics. */
  const waitingIn = async (lane: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith('vovgw_lane_waiting{'));
    return Number(lines.find((line) => line.includes(`lane="${lane}"`))?.split(' ')[1] ?? 0);
  };
  const idOf = (token: string): string => token.split('_')[1] ?? '';

  const calls = {
    submit: (token: string, name: string) =>
      world.call('POST', '/api/v3/jobs', {
        token,
        json: { command: 'true', rundir: '/tmp', env: 'BASE', logfile: name },
        headers: { prefer: 'wait=60' },
      }),
    list: (token: string, name: string) =>
      world.call('GET', `/api/v3/query?from=jobs&where=jobname==${name}`, { token, headers: { prefer: 'wait=60' } }),
  };

  for (const lane of ['submit', 'list'] as const) {
    it(`is answered 401 and sends nothing: ${lane}`, async () => {
      const [revoked, kept] = [await world.token('bob'), await world.token('bob')];
      world.vovserver.setFaults({ rules: [{ kind: 'delay', ms: 1500, path: 'api/v3', times: 1 }] });
      const first = calls[lane](alice, `${lane}-first`);
      await eventually('the first call is at vovserver', () => world.vovserver.stats.inFlight > 0);
      const waits = calls[lane](revoked, `${lane}-revoked`);
      const stays = calls[lane](kept, `${lane}-kept`);
      await eventually('both wait', async () => (await waitingIn(lane)) === 2);
      assert.equal(await world.gateway.tokens.revoke(idOf(revoked)), true);
      const [answer, other] = [await waits, await stays];
      assert.deepEqual([(await first).status, answer.status, other.status], [200, 401, 200]);
      assert.equal(((await answer.json()) as { code: string }).code, 'GW_UNAUTHENTICATED');
      const sent = JSON.stringify(world.vovserver.ledger.requests);
      assert.ok(!sent.includes(`${lane}-revoked`), 'vovserver heard nothing of it');
      await eventually('nobody waits any more', async () => (await waitingIn(lane)) === 0);
      world.vovserver.setFaults({ rules: [] });
    });
  }
});
