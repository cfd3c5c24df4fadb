import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MARKER } from '../../standin/vovserver/index.ts';
import { createPair } from './client.ts';

const FILES = [
  ['/html/vovrest.html', 'text/html', MARKER],
  ['/html/vovrest.js', 'application/javascript', 'fetch('],
  ['/html/vovrest.css', 'text/css', '#operation'],
] as const;

describe('the documentation page of the stand-in', () => {
  for (const [path, type, word] of FILES) {
    it(`serves ${path}`, async () => {
      await using client = await createPair();
      const answer = await client.call('GET', path);
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, type]);
      assert.ok(answer.text.includes(word));
      const head = await client.call('HEAD', path);
      assert.equal(head.headers['content-length'], String(Buffer.byteLength(answer.text)));
      assert.equal(head.text, '');
    });
  }

  it('names only files that are there, and a call that the API answers', async () => {
    await using client = await createPair();
    const page = (await client.call('GET', '/html/vovrest.html')).text;
    const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
    assert.deepEqual(named, ['/html/vovrest.css', '/html/vovrest.js']);
    for (const path of named) assert.equal((await client.call('GET', path)).status, 200);
    const operation = /window\.operation = '([^']+)'/.exec(page)?.[1] ?? '';
    assert.equal((await client.as('alice', 'GET', operation)).status, 200);
    assert.match(page, /id="try"[^>]*>Try it out</);
  });

  it('can only be read, and there is nothing else', async () => {
    await using client = await createPair();
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.equal((await client.call(method, '/html/vovrest.html')).status, 405);
    }
    for (const path of ['/html/', '/html/other.html', '/html/toString', '/html']) {
      assert.equal((await client.call('GET', path)).status, 404, path);
    }
  });

  it('wants a JWT when the profile says so', async () => {
    await using client = await createPair({ profile: { documentation: 'login' } });
    for (const [path] of FILES) {
      assert.equal((await client.call('GET', path)).status, 401);
      assert.equal((await client.as('alice', 'GET', path)).status, 200);
    }
    client.server.setProfile({ documentation: 'open' });
    assert.equal((await client.call('GET', '/html/vovrest.html')).status, 200);
  });
});
