// The worst SAML documents, tokens and forms that anybody can send: none holds the gateway's event loop for more than 50 ms.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { demoSignIn } from '../standin/demo-sign-in.ts';
import { createIdp } from '../standin/idp/index.ts';
import { createBrowser, signInAs } from '../test/world/browser.ts';
import { DOCUMENTS, type Document } from './event-loop/documents.ts';
import { costlyRequests } from './event-loop/requests.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { count, counted } from './pollers.ts';
import { freePort, readText, setStage, startStandin, until } from './stage.ts';

const { values } = readFlags(
  {
    times: '5',
    storm: '1000',
    only: '',
    limit: '50',
    // On a busy machine the delay also holds what other programs took; `processor` judges by the gateway's own time.
    judge: 'delay',
  },
  { oneOf: { judge: ['delay', 'processor'] } },
);
const [times, limit] = [Number(values.times), Number(values.limit)];
const PERSON = 'alice';

await using standin = await startStandin(['--transport', 'http', '--queue-name', 'proof', '--users', `${PERSON}:pw`]);
await using stage = await setStage();
await stage.setPassword(PERSON, 'pw');
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
await using idp = await createIdp({ gateways: [url] });
const demo = await demoSignIn(idp, stage.folder);
const probeFile = join(stage.folder, 'probe.json');
process.env.PROOF_PROBE_FILE = probeFile;
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${join(import.meta.dirname, 'event-loop/probe.ts')}`;
const gateway = await stage.gateway({
  server: { port, publicUrl: url },
  identity: demo.identity,
  signIn: {
    ...demo.signIn,
    bearers: [
      {
        type: 'jwt',
        name: 'corp',
        issuer: idp.issuer,
        audience: ['vov-gateway'],
        realm: 'demo',
        groups: { attribute: 'groups' },
      },
    ],
  },
  queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true }],
  limits: {
    mode: 'off',
    attempts: { requests: 1_000_000, window: '60s' },
    attemptsPerAddress: { requests: 1_000_000, window: '60s' },
  },
});
const figures = createFigures(`Event loop of one gateway, worst of ${times} each; judged by ${values.judge}`);

interface Late {
  readonly written: number;
  /** Longest time between two turns, milliseconds. */
  readonly delay: number;
  /** Most processor time of the event loop's thread between two turns, milliseconds. */
  readonly processor: number;
}
let written = 0;

/** How late the event loop was since the last call. */
async function late(): Promise<Late> {
  const wanted = written + 1;
  gateway.signal('SIGUSR2');
  const seen = await until('the probe', async () => {
    const found = JSON.parse(await readFile(probeFile, 'utf8')) as Late;
    return found.written === wanted ? found : null;
  });
  written = wanted;
  return seen;
}

/** Does something some times and adds the worst that it did to the event loop. */
async function measure(name: string, act: () => Promise<string>, promised = true): Promise<void> {
  if (!name.includes(values.only)) return;
  await act();
  const outcomes = new Map<string, number>();
  const worst = { delay: 0, processor: 0 };
  for (let round = 0; round < (promised ? times : 1); round++) {
    await late();
    count(outcomes, await act());
    const { delay, processor } = await late();
    worst.delay = Math.max(worst.delay, delay);
    worst.processor = Math.max(worst.processor, processor);
  }
  const judged = values.judge === 'processor' ? worst.processor : worst.delay;
  const text = `${worst.delay.toFixed(1)} ms (own ${worst.processor.toFixed(1)} ms): ${counted(outcomes)}`;
  figures.add(name, promised ? `≤ ${limit} ms` : 'shown only', text, !promised || judged <= limit);
}

/** A sign-in whose response is this document. */
async function signInWith(document: Document): Promise<string> {
  let size = 0;
  const hook = (xml: string): string => {
    const made = document.make(xml);
    size = made.length;
    return made;
  };
  idp.knobs.encrypt = document.encrypt ?? false;
  idp.faults.response = document.at === 'before' ? hook : null;
  idp.faults.signed = document.at === 'after' ? hook : null;
  try {
    const browser = createBrowser();
    const { page } = await signInAs(url, 'saml', PERSON, browser);
    const kilobytes = Math.round(size / 1024);
    return `${browser.cookies(url).has('vovgw') ? 'accepted' : `refused ${page.status}`}, ${kilobytes} KB`;
  } finally {
    idp.faults.response = idp.faults.signed = null;
    idp.knobs.encrypt = false;
  }
}

// Everything is loaded and compiled before anything is measured.
for (let round = 0; round < 10; round++) for (const way of ['oidc', 'saml']) await signInAs(url, way, PERSON);
await measure('control: nothing for a second', async () => {
  await pause(1000);
  return 'nothing';
});
for (const document of DOCUMENTS) await measure(document.name, () => signInWith(document));

for (const groups of [1000, 10_000]) {
  await measure(`OpenID Connect: an ID token with ${groups} groups`, async () => {
    idp.faults.idToken = (claims) => ({
      ...claims,
      groups: Array.from({ length: groups }, (_, at) => `CN=group-${at},OU=Groups`),
    });
    const { browser, page } = await signInAs(url, 'oidc', PERSON);
    idp.faults.idToken = null;
    return browser.cookies(url).has('vovgw') ? 'accepted' : `refused ${page.status}`;
  });
}
const { browser } = await signInAs(url, 'oidc', PERSON);
const cookie = [...browser.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ');
const agent = new Agent({ connections: 200 });
for (const { name, method, path, headers = {}, body = null } of await costlyRequests(idp, PERSON, cookie)) {
  await measure(name, async () => {
    const answer = await request(url + path, { dispatcher: agent, method, headers, body });
    await answer.body.dump();
    return String(answer.statusCode);
  });
}

/** Sends what 1 000 people at once would, each with garbage of 128 KB. */
async function storm(): Promise<string> {
  const outcomes = new Map<string, number>();
  const garbage = ['<a>'.repeat(40_000), '\0'.repeat(120_000), '<a b="'.repeat(20_000), `<a>${'&x;'.repeat(40_000)}`];
  await Promise.all(
    Array.from({ length: Number(values.storm) }, async (_, at) => {
      const xml = garbage[at % garbage.length] ?? '';
      const body = String(
        new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: 'x'.repeat(43) }),
      );
      const headers = { 'content-type': 'application/x-www-form-urlencoded', cookie: `vovgw-flow=${'x'.repeat(43)}` };
      const answer = await request(`${url}/saml/saml/acs`, { dispatcher: agent, method: 'POST', headers, body });
      await answer.body.dump();
      count(outcomes, String(answer.statusCode));
    }),
  );
  return counted(outcomes);
}
await measure(`${values.storm} callbacks with garbage of 120 KB at once`, storm, false);
await measure(`a sign-in afterwards`, () => signInWith({ name: 'genuine', at: 'before', make: (xml) => xml }));
figures.print();
await agent.close();
if (values.only !== '')
  console.log(`\nReasons in the log:\n${reasons(await readText(gateway.configFile.replace('.yaml', '.log')))}`);

function reasons(log: string): string {
  const found = new Map<string, number>();
  for (const [, reason = ''] of log.matchAll(/"event\.reason":"([^"]+)"/g)) count(found, reason);
  return [...found].map(([reason, n]) => `${n} × ${reason}`).join('\n');
}
