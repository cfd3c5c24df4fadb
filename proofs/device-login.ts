// `vovgw login` in a terminal over verified TLS: approved, denied, expired, too fast, polled twice, a wrong certificate, logout.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:tls';
import { createOffice, PERSON, READ } from './device/office.ts';
import { proveHammered, proveOneToken, proveSlowDown } from './device/protocol.ts';
import { createHome, invitationOf } from './device/terminal.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';
import { freePort } from './stage.ts';

const { values } = readFlags({
  replicas: '3',
  approvals: '15',
  pollers: '6',
  interval: '1s',
  'short-life': '4s',
});
await using office = await createOffice({
  replicas: Number(values.replicas),
  interval: values.interval,
  shortLife: values['short-life'],
});
const { caFile, strangerFile, replicas, hasty } = office;
const [first] = replicas;
if (first === undefined) throw new Error('--replicas must be at least 1');
const figures = createFigures(`vovgw login over verified TLS, ${replicas.length} replicas`);
const lastLine = (text: string): string => text.trim().split(/\r?\n/).at(-1)?.trim() ?? '';
const login = (url: string, authority: string): string[] => ['login', '--url', url, '--ca-file', authority];

// Approved.
await using home = await createHome();
const command = home.vovgw(login(first.url, caFile), true);
const { page } = await invitationOf(command);
const approved = await office.decide(page, PERSON, 'approve');
const code = await command.exit;
figures.add(
  'approved in the browser',
  '200, exit 0',
  `${approved.status}, exit ${code}: ${lastLine(command.text())}`,
  approved.status === 200 && code === 0,
);
const modes = await home.modes();
figures.add('mode of the file and of its folder', '0600 in 0700', modes ?? 'no file', modes === '0600 in 0700');
const who = await home.run(['whoami', '--json']);
const user = who.code === 0 ? String((JSON.parse(who.text) as { user?: string }).user) : lastLine(who.text);
figures.add('vovgw whoami', `exit 0, ${PERSON}`, `exit ${who.code}, ${user}`, who.code === 0 && user === PERSON);
const token = (await home.run(['token', 'print'])).text.trim();
const reads = await Promise.all(replicas.map(({ url }) => office.read(url, token)));
const ledger = (await office.standin.control('GET', '/ledger')) as {
  requests: { target: string; account: string | null }[];
};
const account = ledger.requests.findLast(({ target }) => target === READ)?.account ?? 'nobody';
figures.add(
  'the token calls vovserver through every replica',
  `200 as ${PERSON}`,
  `${reads.join(' ')} as ${account}`,
  reads.every((status) => status === 200) && account === PERSON,
);

// Denied, and too late.
await using denied = await createHome();
const refused = denied.vovgw(login(first.url, caFile), true);
await office.decide((await invitationOf(refused)).page, PERSON, 'deny');
const refusedCode = await refused.exit;
figures.add(
  'denied in the browser',
  'exit 1, says so, no file',
  `exit ${refusedCode}, ${(await denied.modes()) ?? 'no file'}: ${lastLine(refused.text())}`,
  refusedCode === 1 && (await denied.modes()) === null && /denied/.test(refused.text()),
);
await using late = await createHome();
const expired = late.vovgw(login(hasty.url, caFile), true);
await invitationOf(expired);
const expiredCode = await expired.exit;
figures.add(
  `nobody approves for ${values['short-life']}`,
  'exit 1, says so, no file',
  `exit ${expiredCode}, ${(await late.modes()) ?? 'no file'}: ${lastLine(expired.text())}`,
  expiredCode === 1 && (await late.modes()) === null && /expired/.test(expired.text()),
);

// Somebody else at the gateway's address, and a gateway that the authority does not vouch for.
let heard = 0;
let greeted = 0;
const trap = createServer(
  office.stranger,
  (socket) =>
    void socket.on('data', (bytes) => {
      heard += bytes.length;
    }),
);
trap.on('tlsClientError', () => undefined).on('connection', () => greeted++);
const trapPort = await freePort();
await new Promise<void>((resolve) => trap.listen(trapPort, '127.0.0.1', resolve));
await using victim = await createHome();
const trapped = await victim.run(login(`https://localhost:${trapPort}`, caFile));
trap.close();
figures.add(
  'a server with a certificate of a stranger: login',
  'exit 1, says why',
  `exit ${trapped.code}: ${lastLine(trapped.text)}`,
  trapped.code === 1 && /not trusted/.test(trapped.text),
);
figures.add(
  'connections that it saw, bytes that it was told',
  '≥ 1, 0',
  `${greeted}, ${heard}`,
  greeted > 0 && heard === 0,
);
const before = await first.process.metric('vovgw_requests_total');
const wrong = [
  { verb: 'login', ...(await victim.run(login(first.url, strangerFile))) },
  { verb: 'whoami', ...(await home.run(['whoami', '--ca-file', strangerFile])) },
  { verb: 'logout', ...(await home.run(['logout', '--ca-file', strangerFile])) },
];
const after = await first.process.metric('vovgw_requests_total');
for (const { verb, code: exit, text } of wrong) {
  figures.add(
    `the gateway, with the wrong --ca-file: ${verb}`,
    'exit 1, says why',
    `exit ${exit}: ${lastLine(text).slice(0, 120)}`,
    exit === 1 && /not trusted/.test(text),
  );
}
figures.add('requests that the gateway got from them', '0', after - before, after === before);
figures.add(
  'the file of the login afterwards',
  '0600 in 0700',
  (await home.modes()) ?? 'no file',
  (await home.modes()) === '0600 in 0700',
);

const slowDown = proveSlowDown(office, figures);

// Logout ends the token everywhere.
let watching = true;
const last = replicas.map(() => 0);
const watched = Promise.all(
  replicas.map(async ({ url }, at) => {
    while (watching) {
      if ((await office.read(url, token, '/gateway/v1/me')) === 200) last[at] = performance.now();
      await pause(5);
    }
  }),
);
await pause(200);
const seen = last.filter((at) => at > 0).length;
const out = await home.run(['logout']);
const ended = performance.now();
await pause(1500);
watching = false;
await watched;
const worst = Math.ceil(Math.max(...last) - ended);
figures.add(
  'vovgw logout',
  'exit 0, no file',
  `exit ${out.code}, ${(await home.modes()) ?? 'no file'}`,
  out.code === 0 && (await home.modes()) === null,
);
figures.add(
  `last accepted by one of ${seen} replicas that used it, after logout had ended`,
  '≤ 1000 ms',
  `${worst} ms`,
  worst <= 1000 && seen === replicas.length,
);
const log = (
  await Promise.all(replicas.map(({ process }) => readFile(process.configFile.replace('.yaml', '.log'), 'utf8')))
).join('');
figures.add(
  'tokens in the logs of the gateways',
  '0',
  log.split(token.slice(17)).length - 1,
  !log.includes(token.slice(17)),
);

await slowDown;
await proveOneToken(office, figures, Number(values.approvals), Number(values.pollers));
await proveHammered(office, figures, 3, Number(values.pollers));
figures.print();
