// The sign-in page gets A+ of the HTTP Observatory’s own code; the TLS listener is Mozilla’s intermediate profile, exactly.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, request, setGlobalDispatcher } from 'undici';
import { createAuthority, type Leaf } from '../standin/certificates.ts';
import { demoSignIn } from '../standin/demo-sign-in.ts';
import { createIdp } from '../standin/idp/index.ts';
import { createBrowser } from '../test/world/browser.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { type Grade, installObservatory } from './scanner/observatory.ts';
import {
  ciphersOf,
  followsClient,
  groupsOf,
  INTERMEDIATE,
  knownCiphers,
  speaks,
  suitesOf,
} from './scanner/tls-profile.ts';
import { freePort, setStage, startStandin } from './stage.ts';

const run = promisify(execFile);
const { values } = readFlags({ version: '1.4.8' });

await using stage = await setStage();
await using standin = await startStandin(['--users', 'alice:alice-password', '--queue-name', 'vnc']);
await stage.setPassword('alice', 'alice-password');
const authority = await createAuthority();
const file = async (name: string, pem: string): Promise<string> => {
  const path = join(stage.folder, name);
  await writeFile(path, pem, { mode: 0o600 });
  return path;
};
const caFile = await file('ca.pem', authority.certPem);
const filesOf = async (name: string, { certPem, keyPem }: Pick<Leaf, 'certPem' | 'keyPem'>) => ({
  certFile: await file(`${name}-cert.pem`, certPem),
  keyFile: await file(`${name}-key.pem`, keyPem),
});
const leaf = await authority.leaf();
const port = await freePort();
const url = `https://localhost:${port}`;
const site = `localhost:${port}`;
await using idp = await createIdp({ gateways: [url] });
const { signIn, identity } = await demoSignIn(idp, stage.folder);
const section = {
  signIn: { providers: signIn.providers.filter(({ type }) => type === 'oidc') },
  identity,
  queues: [{ name: 'vnc', urls: [standin.url], allowInsecure: true, tls: { verify: 'none' } }],
  limits: { mode: 'off' },
};
await stage.gateway({ ...section, server: { port, publicUrl: url, tls: await filesOf('ec', leaf) } });

/** Signs alice in; gives her cookies and every Set-Cookie of the gateway on the way. */
async function signAlice() {
  const browser = createBrowser();
  const setCookies: string[] = [];
  let page = await browser.open(`${url}/oidc/oidc/login`, { follow: false });
  for (let hop = 0; hop < 20; hop++) {
    if (page.url.startsWith(url)) setCookies.push(...page.headers.getSetCookie());
    const onward = page.headers.get('location');
    if (page.status < 400 && onward !== null) {
      page = await browser.open(String(new URL(onward, page.url)), { follow: false, from: page.url });
    } else if (page.url.startsWith(url)) break;
    else page = await browser.submit(page, { person: 'alice' }, { follow: false });
  }
  const cookie = [...browser.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ');
  return { cookie, setCookies };
}
setGlobalDispatcher(new Agent({ connect: { ca: authority.certPem } }));
const alice = await signAlice();

const folder = await mkdtemp(join(tmpdir(), 'vovgw-observatory-'));
await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
const observatory = await installObservatory(folder, values.version, caFile);
console.log(`@mdn/mdn-http-observatory ${observatory.version}, installed without its install scripts in a temporary folder.
Its HSTS preload list, which they would download, is empty here: no page is on it, which is never in our favour.
It trusts the proof’s own authority beside the public ones. It looks at a port of its own, where no plain HTTP answers.`);

/** A server with nothing of this, to see that the scanner finds it. */
async function bareServer() {
  const options = { cert: leaf.certPem, key: leaf.keyPem, minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
  const server = createServer(options, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'session=1' }).end('<!doctype html>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close().closeAllConnections(),
  };
}
await using bare = await bareServer();

const grades = createFigures('HTTP Observatory');
const show = (name: string, { tests }: Grade): void => {
  console.log(`\n${name}`);
  for (const { name: test, result, pass, modifier } of tests)
    console.log(`  ${test.padEnd(30)} ${pass ? 'passed' : 'FAILED'} ${String(modifier).padStart(4)}  ${result}`);
};
const PAGES = [
  { name: 'sign-in page', path: '/login', status: 200 },
  { name: 'account page', path: '/ui/', status: 200, cookie: alice.cookie },
  { name: 'tokens page, with a form', path: '/ui/tokens', status: 200, cookie: alice.cookie },
  { name: 'error page', path: '/oidc/oidc/callback', status: 403 },
  { name: '/api/ answer, no token', path: '/api/v3/project/1/project', status: 401 },
  { name: '/api/ answer of vovserver', path: '/api/v3/project/1/project', status: 200, cookie: alice.cookie },
] as const;
for (const page of PAGES) {
  const cookie = 'cookie' in page ? page.cookie : undefined;
  // The scanner follows redirects: what it graded must be this page, not the sign-in.
  const accept = 'text/html,*/*;q=0.8';
  const direct = await request(url + page.path, { headers: cookie === undefined ? { accept } : { accept, cookie } });
  await direct.body.dump();
  const grade = await observatory.scan(site + page.path, cookie);
  show(`${page.name} (${page.path})`, grade);
  const failed = grade.tests.filter(({ pass }) => !pass);
  const seen = `${grade.grade}, ${grade.score}, status ${grade.status}`;
  const holds =
    grade.grade === 'A+' &&
    grade.score >= 100 &&
    failed.length === 0 &&
    grade.status === page.status &&
    direct.statusCode === page.status;
  grades.add(page.name, `A+, ≥ 100, status ${page.status}`, seen, holds);
}
const cookies = await observatory.cookies(site, alice.setCookies);
const whole = cookies.pass && cookies.found > 0;
grades.add('cookies of a sign-in, its cookie test', 'passed', `${cookies.found}: ${cookies.result}`, whole);
const worst = await observatory.scan(`localhost:${bare.port}`);
grades.add('the scanner on a server without headers', 'below C', `${worst.grade}, ${worst.score}`, worst.score < 50);
grades.print();

const profile = createFigures('TLS listener against Mozilla’s intermediate profile 6.0, by openssl s_client');
for (const [protocol, name, wanted] of [
  ['tls1', 'TLS 1.0', false],
  ['tls1_1', 'TLS 1.1', false],
  ['tls1_2', 'TLS 1.2', true],
  ['tls1_3', 'TLS 1.3', true],
] as const) {
  const cipher = await speaks(port, protocol);
  profile.add(name, wanted ? 'spoken' : 'refused', cipher ?? 'refused', (cipher !== null) === wanted);
}
const old = await speaks(bare.port, 'tls1');
profile.add('the check itself, on a server with TLS 1.0', 'spoken', old ?? 'refused', old !== null);

const known = await knownCiphers();
const subject = ['-subj', '/CN=localhost', '-keyout', join(stage.folder, 'rsa-key.pem'), '-days', '2'];
const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, '-out', join(stage.folder, 'rsa-cert.pem')];
await run('openssl', made);
const rsaPort = await freePort();
const rsa = { certFile: join(stage.folder, 'rsa-cert.pem'), keyFile: join(stage.folder, 'rsa-key.pem') };
await run('chmod', ['600', rsa.keyFile]);
await stage.gateway({ ...section, server: { port: rsaPort, publicUrl: `https://localhost:${rsaPort}`, tls: rsa } });

const same = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() === [...b].sort().join();
const list = (what: string, wanted: readonly string[], seen: readonly string[]): void => {
  console.log(`\n${what}\n  ${seen.join('\n  ')}`);
  profile.add(
    what,
    `exactly ${wanted.length}`,
    same(wanted, seen) ? `the same ${seen.length}` : seen.join(' '),
    same(wanted, seen),
  );
};
list(`TLS 1.2, EC certificate, of ${known.length}`, INTERMEDIATE.ecdsa, await ciphersOf(port, known));
list(`TLS 1.2, RSA certificate, of ${known.length}`, INTERMEDIATE.rsa, await ciphersOf(rsaPort, known));
list('TLS 1.3 suites, of 5', INTERMEDIATE.suites, await suitesOf(port));
list('groups of the key exchange', INTERMEDIATE.groups, await groupsOf(port));
const [, strong, chacha] = INTERMEDIATE.ecdsa;
const follows = await followsClient(port, [chacha, strong]);
profile.add('order of the ciphers', 'the client’s', follows ? 'the client’s' : 'the server’s', follows);
profile.print();
