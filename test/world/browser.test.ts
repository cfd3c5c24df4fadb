import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createBrowser } from './browser.ts';
import { readForms, unescapeHtml } from './browser-forms.ts';

async function site(handle: RequestListener) {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

describe('the browser without script', () => {
  it('follows redirects, keeps cookies and forgets those that ended', async () => {
    await using server = await site((request, response) => {
      if (request.url === '/set') response.appendHeader('set-cookie', ['a=1; Path=/; Secure', 'b=2; Path=/x', 'c=3']);
      if (request.url === '/drop') response.appendHeader('set-cookie', 'a=; Path=/; Max-Age=0');
      if (request.url === '/see') return void response.end(request.headers.cookie ?? 'none');
      response.writeHead(303, { location: '/see' }).end();
    });
    const browser = createBrowser();
    assert.equal((await browser.open(`${server.url}/set`)).body, 'a=1; c=3');
    assert.equal((await browser.open(`${server.url}/drop`)).body, 'c=3');
    assert.deepEqual([...browser.cookies(server.url).keys()], ['b', 'c']);
    browser.setCookie(server.url, 'c', 'forged');
    assert.equal((await browser.open(`${server.url}/see`)).body, 'c=forged');
    assert.equal((await browser.open(`${server.url}/drop`, { follow: false })).status, 303);
  });

  it('sends only SameSite=None cookies with a form from another site', async () => {
    await using target = await site((request, response) => {
      if (request.method === 'GET')
        response.appendHeader('set-cookie', ['lax=1; Path=/', 'none=1; Path=/; SameSite=None']);
      response.end(`${request.headers.cookie} ${request.headers.origin} ${request.headers['sec-fetch-site']}`);
    });
    const elsewhere = target.url.replace('127.0.0.1', 'localhost');
    await using other = await site((_request, response) =>
      response.end(`<form method="post" action="${elsewhere}/take"><input type=hidden name=x value=1></form>`),
    );
    const browser = createBrowser();
    await browser.open(elsewhere);
    const page = await browser.settle(await browser.open(other.url));
    assert.equal(page.body, `none=1 ${other.url} cross-site`);
    const own = await browser.open(elsewhere, { form: { x: '1' }, from: `${elsewhere}/` });
    assert.equal(own.body, `lax=1; none=1 ${elsewhere} same-origin`);
  });

  it('keeps the form after 307 and drops it after 303', async () => {
    await using server = await site((request, response) => {
      if (request.url === '/307') return void response.writeHead(307, { location: '/end' }).end();
      if (request.url === '/303') return void response.writeHead(303, { location: '/end' }).end();
      request
        .on('data', () => {})
        .on('end', () => response.end(`${request.method} ${request.headers['content-length']}`));
    });
    const browser = createBrowser();
    assert.equal((await browser.open(`${server.url}/307`, { form: { a: 'b' } })).body, 'POST 3');
    assert.equal((await browser.open(`${server.url}/303`, { form: { a: 'b' } })).body, 'GET undefined');
  });

  it('gives up on a redirect loop', async () => {
    await using server = await site((_request, response) => response.writeHead(302, { location: '/again' }).end());
    await assert.rejects(createBrowser().open(server.url), /more than 30 redirects/);
  });

  it('reads forms with their fields, blanks and buttons', () => {
    const html = `<form action="/go?a=1&amp;b=2" method=POST>
      <input type="hidden" name="h" value="&lt;x&gt; &#39;&#x41;"><input name='user' required><input type=checkbox name=off>
      <input type=checkbox name=on checked><input type=submit name=s value=Go><button name="p" value="1">One</button>
      <button name="p" value="2">Two</button></form><form><input name=q value=v></form>`;
    assert.deepEqual(readForms(html, 'http://site.test/page'), [
      {
        action: 'http://site.test/go?a=1&b=2',
        method: 'POST',
        fields: { h: "<x> 'A", user: '', on: 'on' },
        blanks: ['user'],
        choices: { p: ['1', '2'] },
      },
      { action: 'http://site.test/page', method: 'GET', fields: { q: 'v' }, blanks: ['q'], choices: {} },
    ]);
    assert.equal(unescapeHtml('&amp;lt; &unknown;'), '&lt; &unknown;');
  });
});
