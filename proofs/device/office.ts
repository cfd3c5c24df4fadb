import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request, setGlobalDispatcher } from 'undici';
import { createAuthority } from '../../standin/certificates.ts';
import { demoSignIn } from '../../standin/demo-sign-in.ts';
import { createIdp } from '../../standin/idp/index.ts';
import { type Browser, createBrowser, type Page } from '../../test/world/browser.ts';
import { freePort, type GatewayProcess, type Stage, type Standin, setStage, startStandin } from '../stage.ts';

/** A gateway under a certificate of the company's own authority. */
export interface SafeGateway {
  readonly process: GatewayProcess;
  /** https://localhost:<port> */
  readonly url: string;
}

/** Replicas with TLS, a vovserver, an identity provider. */
export interface Office extends AsyncDisposable {
  readonly stage: Stage;
  readonly standin: Standin;
  readonly replicas: readonly SafeGateway[];
  /** A gateway of its own whose codes live for a second or two. */
  readonly hasty: SafeGateway;
  readonly caFile: string;
  /** An authority that signed nothing here. */
  readonly strangerFile: string;
  /** Certificate and key of a server under the stranger. */
  readonly stranger: { readonly cert: string; readonly key: string };
  post(base: string, path: string, form: Record<string, string>): Promise<Answer>;
  /** Status of a read at vovserver, or of `path`. */
  read(base: string, token: string, path?: string): Promise<number>;
  /** Opens a page in a fresh browser, signs in on the way, and decides. */
  decide(page: string, person: string, decision: 'approve' | 'deny'): Promise<Page>;
  /** The same up to the click on Approve, which is made by calling what it gives. */
  approval(page: string, person: string): Promise<() => Promise<Page>>;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Who approves. */
export const PERSON = 'alice';
export const READ = '/api/v3/project/1/version';

/** Sets it up. `interval` and `life` of codes are durations as in the configuration. */
export async function createOffice(options: {
  replicas: number;
  interval: string;
  shortLife: string;
}): Promise<Office> {
  // Whatever has started ends, too, when something later does not start.
  await using parts = new AsyncDisposableStack();
  const password = `pw-${PERSON}`;
  const stage = parts.use(await setStage());
  const standin = parts.use(
    await startStandin(['--transport', 'http', '--queue-name', 'proof', '--users', `${PERSON}:${password}`]),
  );
  await stage.setPassword(PERSON, password);
  const [authority, other] = [await createAuthority(), await createAuthority('Stranger')];
  const [leaf, strange] = [await authority.leaf(), await other.leaf()];
  const file = async (name: string, pem: string): Promise<string> => {
    const path = join(stage.folder, name);
    await writeFile(path, pem, { mode: 0o600 });
    return path;
  };
  const tls = { certFile: await file('cert.pem', leaf.certPem), keyFile: await file('key.pem', leaf.keyPem) };
  // The scripted browser and the calls of the proof believe this authority only.
  setGlobalDispatcher(new Agent({ connections: 32, connect: { ca: authority.certPem } }));
  const ports = await Promise.all([freePort(), freePort()]);
  const [url, hastyUrl] = [`https://localhost:${ports[0]}`, `https://localhost:${ports[1]}`];
  const idp = parts.use(await createIdp({ gateways: [url, hastyUrl] }));
  const demo = await demoSignIn(idp, stage.folder);
  const providers = demo.signIn.providers.filter(({ type }) => type === 'oidc');
  const start = async (port: number, publicUrl: string, life: string): Promise<SafeGateway> => {
    const process = await stage.gateway({
      identity: demo.identity,
      signIn: { providers, device: { interval: options.interval, life } },
      replicas: options.replicas,
      server: { port, publicUrl, tls },
      queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
      limits: { mode: 'off' },
    });
    return { process, url: `https://localhost:${port}` };
  };
  const replicas: SafeGateway[] = [];
  for (let at = 0; at < options.replicas; at++)
    replicas.push(await start(at === 0 ? ports[0] : await freePort(), url, '10m'));
  const host = new URL(url).host;
  const hasty = await start(ports[1], hastyUrl, options.shortLife);
  const caFile = await file('ca.pem', authority.certPem);
  const strangerFile = await file('stranger.pem', other.certPem);
  const owned = parts.move();
  return {
    stage,
    standin,
    replicas,
    hasty,
    caFile,
    strangerFile,
    stranger: { cert: strange.certPem, key: strange.keyPem },
    async post(base, path, form) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', host };
      const answer = await request(base + path, { method: 'POST', headers, body: String(new URLSearchParams(form)) });
      return { status: answer.statusCode, body: (await answer.body.json()) as Answer['body'] };
    },
    async read(base, token, path = READ) {
      const answer = await request(base + path, { headers: { authorization: `Bearer ${token}`, host } });
      await answer.body.dump();
      return answer.statusCode;
    },
    async decide(page, person, decision) {
      const { browser, asked } = await signedIn(page, person);
      return browser.submit(asked, { decision }, { form: (form) => 'decision' in form.choices });
    },
    async approval(page, person) {
      const { browser, asked } = await signedIn(page, person);
      return () => browser.submit(asked, { decision: 'approve' }, { form: (form) => 'decision' in form.choices });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Opens a page in a fresh browser and signs in on the way; the page that was asked for. */
async function signedIn(page: string, person: string): Promise<{ readonly browser: Browser; readonly asked: Page }> {
  const browser = createBrowser();
  const first = await browser.open(page);
  const login = /href="([^"]*\/oidc\/oidc\/login[^"]*)"/.exec(first.body)?.[1]?.replaceAll('&amp;', '&');
  if (login === undefined) throw new Error(`no sign-in at ${first.url} (${first.status})`);
  const who = await browser.settle(await browser.open(String(new URL(login, first.url)), { from: first.url }));
  return { browser, asked: await browser.settle(await browser.submit(who, { person })) };
}
