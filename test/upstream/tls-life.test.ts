import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { type Authority, createAuthority, createSelfSigned, type Leaf } from '../../standin/certificates.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createRawServer, createRig, openCall, queueOf, type RawHandler, reply, until } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'vovgw-tls-life-'));
const caFile = join(folder, 'ca.pem');
let authority: Authority;
let current: Leaf;
let next: Leaf;
let unknown: Leaf;

before(async () => {
  authority = await createAuthority();
  [current, next, unknown] = await Promise.all([createSelfSigned(), createSelfSigned(), createSelfSigned()]);
});
after(() => rmSync(folder, { recursive: true }));

const shown = ({ certPem, keyPem }: Leaf) => ({ cert: certPem, key: keyPem });
const ok: RawHandler = (socket) => reply(socket, '{}');
const pinned = (url: string, leaves: readonly Leaf[], more: object = {}) =>
  queueOf(url, { tls: { verify: 'pin', pins: leaves.map(({ spkiPin }) => spkiPin), probe: '1s' }, ...more });

describe('a server whose certificate changes', () => {
  it('to the next pinned key under load costs no call', async () => {
    const old = new Set<Socket>();
    await using server = await createRawServer((socket) => {
      const last = old.has(socket);
      reply(socket, '{}', '200 OK', last ? ['Connection: close'] : []);
      if (last) socket.end();
    }, shown(current));
    await using rig = await createRig({ queues: [pinned(server.url, [current, next])] });
    let stop = false;
    let calls = 0;
    const poll = async (account: string): Promise<void> => {
      while (!stop) {
        const answer = await rig.call({ account, method: 'POST', body: '{}' });
        assert.equal(answer.status, 200, answer.code);
        calls += 1;
      }
    };
    const polling = Promise.all(['alice', 'bob', 'carol'].map(poll));
    await until(() => calls > 50);
    server.setCertificate(shown(next));
    for (const socket of server.sockets) old.add(socket);
    const before = calls;
    await until(() => calls > before + 50);
    stop = true;
    await polling;
    assert.ok(rig.told.certificates.some(({ pin }) => pin === next.spkiPin));
  });

  it('to an unknown key loses its pooled connections and gets nothing within one probe interval', async () => {
    await using server = await createRawServer(ok, shown(current));
    const clock = createManualClock();
    await using rig = await createRig({ queues: [pinned(server.url, [current, next])], clock });
    assert.equal((await rig.call()).status, 200);
    server.setCertificate(shown(unknown));
    assert.equal((await rig.call()).status, 200, 'the pooled connection is still the old server’s');
    await clock.advance(1000);
    await until(() => rig.upstream.status()[0]?.state === 'tls_refused');
    await until(() => server.sockets.size === 0);
    const requests = server.requests.length;
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
    const login = await rig.upstream.login('night', 'alice', new Secret('pw'));
    assert.equal(login.kind, 'failed');
    assert.equal(server.requests.length, requests);
    assert.match(
      rig.errors.at(-1)?.internal ?? '',
      new RegExp(`${unknown.spkiPin.replace(/[+/]/g, '\\$&')} is not among`),
    );
    assert.ok(rig.told.log.some(({ level, fields }) => level === 'error' && fields.event === 'tls_refused'));
  });

  it('is served again when it shows an accepted key, after the next look', async () => {
    await using server = await createRawServer(ok, shown(unknown));
    const clock = createManualClock();
    await using rig = await createRig({ queues: [pinned(server.url, [current])], clock });
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
    server.setCertificate(shown(current));
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS', 'looked at once a second, not with every call');
    await clock.advance(1000);
    await until(() => rig.upstream.status()[0]?.state === 'up');
    assert.equal((await rig.call()).status, 200);
  });

  it('to an unknown key is refused by a new connection, which cuts the others with what runs on them', async () => {
    let hold = true;
    await using server = await createRawServer((socket) => {
      if (hold) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
      else reply(socket, '{}');
    }, shown(current));
    await using rig = await createRig({ queues: [pinned(server.url, [current], {})] });
    const running = openCall(rig.port);
    await until(() => running.text().endsWith('abc'));
    hold = false;
    server.setCertificate(shown(unknown));
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
    await running.closed;
    assert.ok(running.text().endsWith('\r\n\r\nabc'), 'nothing is put into the body');
    await until(() => server.sockets.size === 0);
  });

  it('is looked at only when no handshake happened meanwhile', async () => {
    await using server = await createRawServer(ok, shown(current));
    const clock = createManualClock();
    const sockets = (): number => rig.told.certificates.length;
    await using rig = await createRig({ queues: [pinned(server.url, [current])], clock });
    await clock.advance(0);
    await until(() => sockets() === 1);
    await clock.advance(600);
    assert.equal((await rig.call()).status, 200);
    assert.equal(sockets(), 2);
    await clock.advance(900);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(sockets(), 2);
    await clock.advance(100);
    await until(() => sockets() === 3);
  });

  it('never falls back: sessions are not resumed, so each connection proves the key anew', async () => {
    const reused: boolean[] = [];
    await using server = await createRawServer(
      (socket) => {
        if ('isSessionReused' in socket && typeof socket.isSessionReused === 'function')
          reused.push(socket.isSessionReused());
        reply(socket, '{}', '200 OK', ['Connection: close']);
        socket.end();
      },
      { ...shown(current), maxVersion: 'TLSv1.2' },
    );
    await using rig = await createRig({ queues: [pinned(server.url, [current])] });
    for (let round = 0; round < 5; round += 1) assert.equal((await rig.call()).status, 200);
    assert.deepEqual(reused, [false, false, false, false, false]);
  });
});

describe('updateQueues', () => {
  it('cuts connections whose key is no longer accepted and uses the new pins at once', async () => {
    await using server = await createRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
    }, shown(current));
    await using rig = await createRig({ queues: [pinned(server.url, [current])] });
    const running = openCall(rig.port);
    await until(() => running.text().endsWith('abc'));
    rig.upstream.updateQueues([pinned(server.url, [next])]);
    await running.closed;
    await until(() => server.sockets.size === 0);
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
  });

  it('lets running answers of a key that is still accepted finish, and closes idle connections', async () => {
    let finish = (): void => undefined;
    await using server = await createRawServer((socket, { target }) => {
      if (target !== '/slow') return reply(socket, '{}');
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
      finish = () => socket.write('def');
    }, shown(current));
    await using rig = await createRig({ queues: [pinned(server.url, [current])] });
    await rig.call({ account: 'bob' });
    const running = rig.call({ target: '/slow' });
    await until(() => server.requests.length === 2);
    rig.upstream.updateQueues([pinned(server.url, [current, next])]);
    await until(() => server.sockets.size === 1);
    finish();
    assert.equal((await running).body.toString(), 'abcdef');
    await until(() => server.sockets.size === 0);
    assert.equal((await rig.call()).status, 200);
  });

  it('keeps the connections of a queue that did not change', async () => {
    await using server = await createRawServer(ok, shown(current));
    await using rig = await createRig({ queues: [pinned(server.url, [current])] });
    await rig.call();
    const accepted = server.accepted;
    rig.upstream.updateQueues([pinned(server.url, [current], { hosts: ['other.example'] })]);
    await rig.call();
    assert.equal(server.accepted, accepted);
  });

  it('takes queues away and adds others, by name', async () => {
    await using one = await createRawServer((socket) => reply(socket, 'one'));
    await using two = await createRawServer((socket) => reply(socket, 'two'));
    await using rig = await createRig({ queues: [queueOf(one.url)] });
    await rig.call();
    rig.upstream.updateQueues([{ ...queueOf(two.url), name: 'day' }]);
    assert.equal((await rig.call({ queue: 'day' })).body.toString(), 'two');
    assert.equal((await rig.call()).code, 'GW_INTERNAL');
    await until(() => one.sockets.size === 0);
    assert.deepEqual(
      rig.upstream.status().map(({ queue }) => queue),
      ['day'],
    );
  });

  it('throws and changes nothing when a file of the new configuration cannot be read', async () => {
    await using server = await createRawServer(ok);
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const bad = queueOf(server.url, { tls: { caFile: join(folder, 'missing.pem') } });
    assert.throws(() => rig.upstream.updateQueues([bad]), /missing\.pem/);
    assert.equal((await rig.call()).status, 200);
  });

  it('carries a call that waits for a connection over to the new pools', async () => {
    const held: (() => void)[] = [];
    await using server = await createRawServer((socket) => held.push(() => reply(socket, '{}')), shown(current));
    const more = { connections: { perAccount: 1 } };
    await using rig = await createRig({ queues: [pinned(server.url, [current], more)] });
    const calls = [rig.call(), rig.call({ method: 'POST', body: '{}' })];
    await until(() => held.length === 1);
    rig.upstream.updateQueues([pinned(server.url, [current, next], more)]);
    await until(() => held.length === 2);
    for (const answer of held) answer();
    for (const { status } of await Promise.all(calls)) assert.equal(status, 200);
    assert.equal(server.requests.length, 2);
  });
});

describe('TLS files that change', () => {
  it('are used without a restart, and a bad file leaves the last good one in use', async () => {
    const other = await createAuthority('Other');
    const [leaf, otherLeaf] = await Promise.all([authority.leaf(), other.leaf()]);
    writeFileSync(caFile, authority.certPem);
    await using server = await createRawServer(ok, shown(leaf));
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf(server.url, { tls: { caFile, probe: '1h' } })], clock });
    const tick = async (): Promise<void> => {
      await clock.advance(2000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    assert.equal((await rig.call()).status, 200);
    writeFileSync(caFile, other.certPem);
    while (rig.upstream.status()[0]?.state !== 'tls_refused') await tick();
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
    await until(() => server.sockets.size === 0);
    server.setCertificate(shown(otherLeaf));
    while ((await rig.call()).status !== 200) await tick();
    writeFileSync(caFile, 'no certificate');
    while (!rig.told.log.some(({ fields }) => fields.event === 'tls_files_bad')) await tick();
    assert.equal((await rig.call()).status, 200, 'the last good file stays in use');
  });

  it('revoke a certificate on pooled connections, too', async () => {
    const leaf = await authority.leaf();
    const crlFile = join(folder, 'crl.pem');
    writeFileSync(caFile, authority.certPem);
    writeFileSync(crlFile, await authority.revocationList([await authority.leaf()]));
    await using server = await createRawServer(ok, shown(leaf));
    const clock = createManualClock();
    await using rig = await createRig({
      queues: [queueOf(server.url, { tls: { caFile, crlFile, probe: '1h' } })],
      clock,
    });
    assert.equal((await rig.call()).status, 200);
    writeFileSync(crlFile, await authority.revocationList([leaf]));
    while (rig.upstream.status()[0]?.state !== 'tls_refused') {
      await clock.advance(2000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(() => server.sockets.size === 0);
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS');
    assert.match(rig.upstream.status()[0]?.detail ?? '', /CERT_REVOKED/);
  });
});
