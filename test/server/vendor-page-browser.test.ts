import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { createVovserver } from '../../standin/vovserver/index.ts';
import { createRawServer, queueOf, reply } from '../upstream/rig.ts';
import { createVendorRig, PAGE } from './vendor-rig.ts';

let browser: Browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  });
});
after(() => browser.close());

/** The rest of a gateway: the API, and a page of its own that other scripts must not read. */
function createRest() {
  const asked: string[] = [];
  const other = (req: IncomingMessage, res: ServerResponse): void => {
    asked.push(req.url ?? '');
    const api = req.url?.startsWith('/api/v3/') === true;
    res.writeHead(200, {
      'Content-Type': api ? 'application/json' : 'text/html',
      'Cross-Origin-Opener-Policy': 'same-origin',
    });
    res.end(api ? '{"rows":[["night"]]}' : '<p id="secret">csrf token</p>');
  };
  return { asked, other };
}

describe('the vendor’s page in a browser', () => {
  it('of the stand-in runs, looks as it should, and “Try it out” asks the gateway', async () => {
    const rest = createRest();
    await using server = await createVovserver({ transport: 'http' });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)], other: rest.other });
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      // Chromium says so of every sandbox that lets scripts keep their origin; it is meant for frames.
      if (!message.text().includes('can escape its sandboxing')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`http://127.0.0.1:${rig.port}${PAGE}`);
    assert.equal(await page.evaluate("getComputedStyle(document.querySelector('#operation')).borderWidth"), '1px');
    assert.match(String(await page.evaluate('getComputedStyle(document.body).fontFamily')), /sans-serif/);
    await page.click('#try');
    await page.locator('#status', { hasText: /^200$/ }).waitFor();
    assert.equal(await page.textContent('#answer'), '{"rows":[["night"]]}');
    assert.deepEqual(rest.asked, ['/api/v3/project/1/project']);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  const HOSTILE: readonly (readonly [what: string, script: string])[] = [
    ['read a page of the gateway', "fetch('/ui/tokens').then((r) => r.text())"],
    ['post to a page of the gateway', "fetch('/ui/tokens', { method: 'POST', body: 'label=x' }).then((r) => r.status)"],
    ['load a picture from a page of the gateway', picture('/ui/logout')],
    ['send what it knows elsewhere', "fetch('ELSEWHERE/').then(() => 1)"],
    ['load a picture from elsewhere', picture('ELSEWHERE/x.png')],
    ['register a worker', "navigator.serviceWorker.register('/html/worker.js').then(() => 1)"],
    [
      'load a script of the gateway',
      "new Promise((go, no) => { const s = document.createElement('script'); s.src = '/ui/x.js'; s.onload = go; s.onerror = no; document.body.append(s); })",
    ],
    ['frame a page of the gateway', frame()],
    ['open a window on a page of the gateway', windowOn()],
    ['post a form', formPost()],
  ];

  function picture(src: string): string {
    return `new Promise((go, no) => { const i = new Image(); i.onload = go; i.onerror = no; i.src = '${src}'; })`;
  }
  function frame(): string {
    return `new Promise((go, no) => {
      const f = document.createElement('iframe');
      f.onload = () => { try { f.contentDocument.querySelector('#secret') ? go() : no(new Error('empty')); } catch (e) { no(e); } };
      f.src = '/ui/tokens';
      document.body.append(f);
      setTimeout(() => no(new Error('late')), 1000);
    })`;
  }
  function windowOn(): string {
    return `new Promise((go, no) => {
      const w = window.open('/ui/tokens');
      if (w === null) return no(new Error('no window'));
      w.onload = () => (w.document.querySelector('#secret') ? go() : no(new Error('empty')));
      setTimeout(() => no(new Error('late')), 1000);
    })`;
  }
  function formPost(): string {
    return `new Promise((go, no) => {
      document.addEventListener('securitypolicyviolation', (event) => no(new Error(event.violatedDirective)));
      const f = document.createElement('form');
      f.method = 'POST';
      f.action = '/ui/tokens';
      document.body.append(f);
      f.submit();
    })`;
  }

  async function openHostile(port: number): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}${PAGE}`);
    return page;
  }

  for (const [what, script] of HOSTILE) {
    it(`cannot ${what}`, async () => {
      const rest = createRest();
      const body = '<!DOCTYPE html><title>x</title><p>hello';
      await using server = await createRawServer((socket) =>
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        ),
      );
      await using elsewhere = await createRawServer((socket) =>
        reply(socket, 'x', '200 OK', ['Access-Control-Allow-Origin: *']),
      );
      await using rig = await createVendorRig({ queues: [queueOf(server.url)], other: rest.other });
      const page = await openHostile(rig.port);
      await assert.rejects(page.evaluate(script.replace('ELSEWHERE', elsewhere.url)), 'the script got through');
      assert.equal(await page.evaluate("fetch('/api/v3/project/1/project').then((r) => r.status)"), 200);
      assert.deepEqual(
        rest.asked.filter((path) => path !== '/favicon.ico'),
        ['/api/v3/project/1/project'],
      );
      assert.equal(elsewhere.accepted, 0);
      assert.deepEqual(
        server.requests.map(({ target }) => target),
        [PAGE],
      );
      await page.close();
    });
  }
});
