import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dial } from '../security/raw.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld } from '../world/world.ts';

describe('a drain', () => {
  it('does not wait for what vovserver still works on for callers who hung up', async () => {
    await using world = await createWorld({ config: { server: { drain: { wait: '0s', timeout: '60s' } } } });
    const token = await world.token('alice');
    assert.equal((await world.call('GET', '/api/v3/project/1/version', { token })).status, 200);
    world.vovserver.addFault({ kind: 'hang', account: 'alice' });
    const caller = await dial(world.gateway.port);
    caller.on('error', () => undefined);
    caller.write(`GET /api/v3/project/1/version HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    const { stats } = world.vovserver;
    await eventually('the call is at vovserver', () => stats.inFlight === 1);
    caller.destroy();
    const metrics = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`);
      return await answer.text();
    };
    await eventually('the caller is gone', async () =>
      /^vovgw_requests_in_flight\{door="api"\} 0$/m.test(await metrics()),
    );
    assert.equal(stats.inFlight, 1);
    await world.gateway.drain({ wait: false });
    await eventually('vovserver is told', () => stats.inFlight === 0 && stats.connectionsOpen === 0);
  });
});
