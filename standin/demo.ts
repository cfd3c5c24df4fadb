import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from '../src/cli/version.ts';
import { parseConfig } from '../src/config/index.ts';
import { messageOf } from '../src/kernel/index.ts';
import { createGateway } from '../src/server/index.ts';
import { createVovserver } from './vovserver/index.ts';

// Everything in one process: a stand-in vovserver with a self-signed certificate, and a gateway that pins its key.
const { values } = parseArgs({
  options: { port: { type: 'string', default: '8080' }, 'admin-port': { type: 'string', default: '9464' } },
});
const QUEUE = 'demo';
const user = userInfo().username;
const passwords: Readonly<Record<string, string>> = { [user]: 'demo-password', alice: 'alice-password' };

const folder = await mkdtemp(join(tmpdir(), 'vovgw-demo-'));
for (const [account, password] of Object.entries(passwords)) {
  await writeFile(join(folder, account), password, { mode: 0o600 });
}
const vovserver = await createVovserver({
  transport: 'https-selfsigned',
  queueName: QUEUE,
  users: Object.entries(passwords).map(([name, password]) => ({ name, password })),
});
const result = parseConfig({
  mode: 'development',
  server: { host: '127.0.0.1', port: Number(values.port) },
  admin: { port: Number(values['admin-port']) },
  log: { level: 'warn', requests: false },
  queues: [{ name: QUEUE, urls: [vovserver.url], tls: { verify: 'pin', pins: [vovserver.pin] } }],
  credentials: [{ type: 'file', dir: folder }],
});
if (!result.ok) throw new Error(result.faults.map((fault) => `${fault.path}: ${fault.reason}`).join('\n'));
const gateway = await createGateway(result.config, { version: VERSION }).catch((error: unknown) => {
  console.error(`The demo cannot start: ${messageOf(error)}`);
  console.error('Other ports: npm run demo -- --port 8081 --admin-port 9465');
  process.exit(1);
});
const { token } = await gateway.tokens.create({ user, label: 'demo', scopes: ['read', 'submit', 'control'] });

const url = `http://127.0.0.1:${gateway.port}`;
const job = '{"command":"sleep 60","logfile":"JOBLOG.\'$RANDOM\'","rundir":"/tmp","env":"BASE"}';
console.log(`
vov-gateway ${VERSION}, demo: a gateway, an in-memory store and a stand-in vovserver in one process.
Stop it with Ctrl-C; nothing is kept.

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
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
