import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { gatewayUrl, queueUrls, tokenLines } from '../../src/portal/token-lines.ts';
import { portalConfig, TOKEN_TEXT, webRequest } from './portal-world.ts';

const URL_OF_IT = 'https://gateway.example.com:8443';

/** The text of one block. */
function blockOf(id: string, { url = URL_OF_IT, user = 'alice', account = 'alice' as string | null } = {}): string {
  const found = tokenLines(url, user, account).find((lines) => lines.id === `lines-${id}`);
  assert.ok(found);
  return found.text;
}

/** Runs lines in a shell that has nothing but what they set, and gives what the last command printed. */
const shell = (lines: string, last: string, { name = '/bin/sh', env = {}, input = '' } = {}): string =>
  execFileSync(name, ['-eu', '-c', `${lines}\n${last}`], {
    env: { PATH: '/usr/bin:/bin', ...env },
    input,
    encoding: 'utf8',
  });

/** The command lines of all processes, as every user of the machine sees them. */
const commandLines = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    });

describe('the lines for a shell', () => {
  it('set the URL, and the token that is pasted at the prompt', () => {
    const last = 'sh -c \'printf "%s|%s" "$NC_URL" "$VOVGW_TOKEN"\'';
    const printed = shell(blockOf('env'), last, { name: 'bash', input: `${TOKEN_TEXT}\n` });
    assert.equal(printed, `${URL_OF_IT}|${TOKEN_TEXT}`);
  });

  it('call curl with the token in the header and the whole query in one argument', () => {
    const curl = 'curl() { for argument in "$@"; do printf "[%s]" "$argument"; done; cat; }';
    const env = { NC_URL: URL_OF_IT, VOVGW_TOKEN: TOKEN_TEXT };
    assert.equal(
      shell(curl, blockOf('curl'), { env }),
      `[-K][-][${URL_OF_IT}/api/v3/query?select=id,statusnc,command&from=System:User:alice&limit=20]header = "Authorization: Bearer ${TOKEN_TEXT}"\n`,
    );
  });

  for (const name of ['/bin/sh', 'bash']) {
    it(`call curl so that no process of ${name} has the token among its arguments`, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const env = { PATH: '/usr/bin:/bin', NC_URL: url, VOVGW_TOKEN: TOKEN_TEXT };
      const child = spawn(name, ['-eu', '-c', blockOf('curl')], { env, stdio: ['ignore', 'pipe', 'ignore'] });
      const [request, response] = await once(server, 'request');
      const lines = commandLines();
      response.end('[]');
      await once(child, 'close');
      server.close();
      assert.equal(request.headers.authorization, `Bearer ${TOKEN_TEXT}`);
      assert.ok(lines.some((line) => line.startsWith('curl\0') && line.includes(url)));
      assert.deepEqual(
        lines.filter((line) => line.includes(TOKEN_TEXT)),
        [],
      );
    });
  }

  it('give the vendor’s scripts the URL and the user name', () => {
    const python = 'python3() { printf "%s %s %s" "$NC_URL" "$USER" "$1"; }';
    const lines = blockOf('vendor', { user: 'alice@corp' });
    assert.equal(shell(python, lines), `${URL_OF_IT} alice@corp nc_list.py`);
  });

  it('take any URL and user name as they are, whatever a shell would make of them', () => {
    const tricky = fc.string({ unit: fc.constantFrom(...'ab $`"\'\\;&|<>(){}*?~#!\n\t=') });
    fc.assert(
      fc.property(tricky, tricky, (url, user) => {
        const lines = blockOf('vendor', { url, user }).replace(/\npython3 nc_list\.py$/, '');
        assert.equal(shell(lines, 'printf "%s|%s" "$NC_URL" "$USER"'), `${url}|${user}`);
      }),
      { numRuns: 60 },
    );
  });

  it('ask for the jobs of the vovserver account, which may have another name', () => {
    assert.match(blockOf('curl', { user: 'alice@corp', account: 'al' }), /System:User:al&/);
    assert.match(blockOf('python', { user: 'alice@corp', account: null }), /System:User:alice%40corp&/);
  });
});

describe('the lines for Python', () => {
  it('are a program that asks the vendor’s module for the jobs', () => {
    const module = [
      'class VOVRestV3:',
      '    def authorize(self, url, password, username=""): print(url, password, username)',
      '    def submitRequest(self, method, url): print(method, url); return "[1]"',
    ].join('\n');
    const load = `import sys, types\nfake = types.ModuleType("vov_rest_v3")\nexec(${JSON.stringify(module)}, fake.__dict__)\nsys.modules["vov_rest_v3"] = fake\n`;
    const env = { PATH: '/usr/bin:/bin', NC_URL: URL_OF_IT, VOVGW_TOKEN: TOKEN_TEXT };
    const printed = execFileSync('python3', ['-c', load + blockOf('python')], { env, encoding: 'utf8' });
    assert.deepEqual(printed.trim().split('\n'), [
      `${URL_OF_IT} ${TOKEN_TEXT} alice`,
      `GET ${URL_OF_IT}/api/v3/query?select=id,statusnc,command&from=System:User:alice&limit=20`,
      '[',
      '  1',
      ']',
    ]);
  });

  it('do not hold the token itself: a program is kept and shared', () => {
    assert.ok(['env', 'curl', 'python', 'vendor'].every((id) => !blockOf(id).includes('vgw_')));
  });
});

describe('the URL of the gateway', () => {
  const queues = [{ name: 'nightly', urls: ['https://vov.example.com:6330'] }];
  const config = (publicUrl?: string) => portalConfig({ server: { host: '127.0.0.1', publicUrl }, queues });

  it('is the configured one, as an origin', () => {
    assert.equal(gatewayUrl(config('https://GW.example.com:443/'), webRequest('GET', '/')), 'https://gw.example.com');
  });

  it('is that of the request when none is configured', () => {
    assert.equal(gatewayUrl(config(), webRequest('GET', '/')), 'http://gateway.local:9000');
    const request = webRequest('GET', '/');
    Object.assign(request.raw.socket, { encrypted: true });
    assert.equal(gatewayUrl(config(), request), 'https://gateway.local:9000');
  });
});

describe('the URLs of the queues', () => {
  it('have the host or the port of their own', () => {
    const urls = ['https://vov.example.com:6330'];
    const config = portalConfig({
      queues: [
        { name: 'first', urls, hosts: ['first.example.com'] },
        { name: 'by-host', urls, hosts: ['two.example.com', 'other.example.com'] },
        { name: 'by-port', urls, port: 9443 },
      ],
    });
    assert.deepEqual(queueUrls(config, URL_OF_IT), [
      { queue: 'first', url: URL_OF_IT },
      { queue: 'by-host', url: 'https://two.example.com:8443' },
      { queue: 'by-port', url: 'https://gateway.example.com:9443' },
    ]);
  });
});
