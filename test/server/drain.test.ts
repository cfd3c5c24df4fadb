import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { Agent, request } from 'undici';
import { dial, parseAnswers } from '../security/raw.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

const READ = '/api/v3/project/1/version';

/** A raw request on a kept-alive connection, and what came back so far. */
async function open(world: World, token: string) {
  const socket = await dial(world.gateway.port);
  const seen = { text: '', ended: false };
  socket.on('data', (chunk: Buffer) => {
    seen.text += chunk.toString('latin1');
  });
  socket.on('end', () => {
    seen.ended = true;
    socket.end();
  });
  socket.on('error', () => undefined);
  const ask = () => socket.write(`GET ${READ} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return { socket, seen, ask };
}

const drainOf = (timeout: string, wait = '0s') => ({ config: { server: { drain: { wait, timeout } } } });

describe('graceful drain', () => {
  it('finishes what runs, closes idle connections, refuses new ones, and keeps health answers until the end', async () => {
    await using world = await createWorld(drainOf('60s'));
    const token = await world.token('alice');
    const [running, idle] = [await open(world, token), await open(world, token)];
    idle.ask();
    await eventually('the idle connection was served', () => idle.seen.text.includes('200 OK'));
    using fault = world.vovserver.addFault({ kind: 'delay', ms: 1000, account: 'alice' });
    running.ask();
    await eventually('the call is at vovserver', () => world.vovserver.stats.inFlight === 1);
    const drained = world.gateway.drain({ wait: false });
    await eventually('the idle connection is closed', () => idle.seen.ended);
    const late = connect(world.gateway.port, '127.0.0.1');
    const [error] = await once(late, 'error');
    assert.equal(error.code, 'ECONNREFUSED');
    const ready = await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /draining/);
    assert.equal((await fetch(`http://127.0.0.1:${world.gateway.adminPort}/healthz`)).status, 200);
    assert.equal(running.seen.text, '');
    await eventually('the call is answered', () => running.seen.text.includes('\r\n\r\n{'));
    let over = false;
    void drained.then(() => {
      over = true;
    });
    await eventually('a kept-alive connection does not hold the drain up to its limit', () => over);
    assert.equal(parseAnswers(running.seen.text)[0]?.status, 200);
    fault[Symbol.dispose]();
  });

  it('serves on during the wait, as not ready, and says Connection: close', async () => {
    await using world = await createWorld(drainOf('5s', '700ms'));
    const token = await world.token('alice');
    const drained = world.gateway.drain();
    const answer = await world.call('GET', READ, { token, headers: { connection: 'keep-alive' } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('connection'), 'close');
    assert.equal((await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz`)).status, 503);
    await answer.arrayBuffer();
    await drained;
    await assert.rejects(world.call('GET', READ, { token }));
  });

  it('cuts what is not over within its limit', async () => {
    await using world = await createWorld(drainOf('300ms'));
    const token = await world.token('alice');
    world.vovserver.addFault({ kind: 'hang', account: 'alice' });
    const stuck = await open(world, token);
    stuck.ask();
    await eventually('the call is at vovserver', () => world.vovserver.stats.inFlight === 1);
    const closed = once(stuck.socket, 'close');
    await world.gateway.drain({ wait: false });
    await closed;
    assert.equal(stuck.seen.text, '');
  });

  it('a request that arrives half before the drain is still answered', async () => {
    await using world = await createWorld(drainOf('5s', '300ms'));
    const token = await world.token('alice');
    const { socket, seen } = await open(world, token);
    socket.write(`GET ${READ} HTTP/1.1\r\nHost: gw\r\n`);
    await eventually('it is connected', () => world.gateway.report !== null);
    const drained = world.gateway.drain();
    socket.write(`Authorization: Bearer ${token}\r\n\r\n`);
    await drained;
    const [answer] = parseAnswers(seen.text);
    assert.equal(answer?.status, 200);
    assert.equal(answer.headers.get('connection'), 'close');
  });

  it('drains once, however often it is asked', async () => {
    await using world = await createWorld(drainOf('1s'));
    assert.equal(world.gateway.drain({ wait: false }), world.gateway.drain());
  });

  it('clients of a busy replica meet no failure while it drains during its wait', async () => {
    await using world = await createWorld({ ...drainOf('5s', '500ms') });
    const token = await world.token('alice');
    const agent = new Agent({ connections: 4 });
    const url = `http://127.0.0.1:${world.gateway.port}${READ}`;
    let draining = true;
    const failures: unknown[] = [];
    const caller = async (): Promise<void> => {
      while (draining) {
        const answer = await request(url, { dispatcher: agent, headers: { authorization: `Bearer ${token}` } });
        await answer.body.text();
        if (answer.statusCode !== 200) failures.push(answer.statusCode);
        // The balancer looks every now and then; here the callers are told right before the listener closes.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const callers = [caller(), caller(), caller(), caller()];
    const drained = world.gateway.drain();
    await new Promise((resolve) => setTimeout(resolve, 300));
    draining = false;
    await Promise.all(callers);
    await drained;
    assert.deepEqual(failures, []);
    await agent.close();
  });
});
