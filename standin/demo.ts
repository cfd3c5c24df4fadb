import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from '../src/cli/version.ts';
import { parseConfig } from '../src/config/index.ts';
import { messageOf } from '../src/kernel/index.ts';
import { createGateway } from '../src/server/index.ts';
import { demoSignIn } from './demo-sign-in.ts';
import { createIdp, PEOPLE } from './idp/index.ts';
import { createVovserver } from './vovserver/index.ts';

// Everything in one process: a stand-in vovserver with a self-signed certificate, a gateway that pins its key, and a demo
// identity provider that people sign in at.
const OPTIONS = {
  port: { type: 'string', default: '8080' },
  'idp-port': { type: 'string', default: '8081' },
  'admin-port': { type: 'string', default: '9464' },
  help: { type: 'boolean', default: false },
} as const;
const USAGE = 'npm run demo [-- --port 8080 --idp-port 8081 --admin-port 9464]';

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    console.error(`${messageOf(error)}\n${USAGE}`);
    process.exit(2);
  }
}

const values = readOptions();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const QUEUE = 'demo';
const user = userInfo().username;
const passwords: Readonly<Record<string, string>> = {
  [user]: 'demo-password',
  ...Object.fromEntries(PEOPLE.map(({ name }) => [name, `${name}-password`])),
};
/** Has no password in the folder: she gives it to the gateway herself. */
const ENROLS = 'carol';

const folder = await mkdtemp(join(tmpdir(), 'vovgw-demo-'));
for (const [account, password] of Object.entries(passwords)) {
  if (account === ENROLS) continue;
  await writeFile(join(folder, account), password, { mode: 0o600 });
}
const vovserver = await createVovserver({
  transport: 'https-selfsigned',
  queueName: QUEUE,
  users: Object.entries(passwords).map(([name, password]) => ({ name, password })),
});
const url = `http://127.0.0.1:${values.port}`;
const portsHint = 'Other ports: npm run demo -- --port 8082 --idp-port 8083 --admin-port 9465';
const cannotStart = (error: unknown): never => {
  console.error(`The demo cannot start: ${messageOf(error)}\n${portsHint}`);
  process.exit(1);
};
const idp = await createIdp({ port: Number(values['idp-port']), gateways: [url] }).catch(cannotStart);
const result = parseConfig({
  mode: 'development',
  server: { host: '127.0.0.1', port: Number(values.port), publicUrl: url },
  admin: { port: Number(values['admin-port']) },
  log: { level: 'warn', requests: false },
  queues: [{ name: QUEUE, urls: [vovserver.url], tls: { verify: 'pin', pins: [vovserver.pin] } }],
  credentials: [{ type: 'file', dir: folder }, { type: 'enrolled' }],
  docs: { vendorPages: true },
  ...(await demoSignIn(idp, folder)),
});
if (!result.ok) throw new Error(result.faults.map((fault) => `${fault.path}: ${fault.reason}`).join('\n'));
const gateway = await createGateway(result.config, { version: VERSION }).catch(cannotStart);
const { token } = await gateway.tokens.create({ user, label: 'demo', scopes: ['read', 'submit', 'control'] });

const job = '{"command":"sleep 60","logfile":"JOBLOG.\'$RANDOM\'","rundir":"/tmp","env":"BASE"}';
console.log(`
vov-gateway ${VERSION}, demo: a gateway, an in-memory store, a stand-in vovserver and an identity provider in one process.
Stop it with Ctrl-C; nothing is kept.

In the browser:

  ${url}/            sign in by either button as alice, bob or carol (no password), then
                     make an access token under “Access tokens” and paste the lines that it shows.
                     bob is an admin; carol first gives the gateway her vovserver password (carol-password).
  ${url}/html/vovrest.html
                     vovserver's own API page, through the gateway

On the command line as a person: npm run vovgw -- login --url ${url}

Without a browser, a token that is made already:

  URL     ${url}
  User    ${user}
  Token   ${token.reveal()}

In another terminal:

  export NC_URL=${url} USER=${user} TOKEN=${token.reveal()}

1. Which queue answers?
  curl -s -H "Authorization: Bearer $TOKEN" $NC_URL/api/v3/project/1/project

2. Submit a job:
  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '${job}' $NC_URL/api/v3/jobs

3. List your jobs:
  curl -s -H "Authorization: Bearer $TOKEN" "$NC_URL/api/v3/query?select=id,statusnc,command&from=System:User:$USER"

4. Sign in as the vendor's scripts do, with the token as the password:
  curl -s -d "username=$USER" --data-urlencode "password=$TOKEN" $NC_URL/api/v3/token

Health and metrics: http://127.0.0.1:${gateway.adminPort}/readyz?verbose and /metrics
`);

let stopping = false;
const stop = async (): Promise<void> => {
  if (stopping) return;
  stopping = true;
  await gateway[Symbol.asyncDispose]();
  await vovserver[Symbol.asyncDispose]();
  await idp[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
