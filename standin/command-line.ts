import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Clock, systemClock } from '../src/kernel/index.ts';
import {
  type Profile,
  readSwitch,
  TRANSPORTS,
  type Transport,
  type UserTable,
  type VovserverOptions,
} from './vovserver/index.ts';

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '6271' },
  'control-host': { type: 'string' },
  'control-port': { type: 'string', default: '6270' },
  transport: { type: 'string', default: 'https-selfsigned' },
  'queue-name': { type: 'string', default: 'vnc' },
  users: { type: 'string', default: '' },
  'users-file': { type: 'string' },
  'jwt-life': { type: 'string' },
  clock: { type: 'string', default: 'real' },
  'cert-dir': { type: 'string' },
  san: { type: 'string', multiple: true },
  profile: { type: 'string', multiple: true },
  seed: { type: 'string' },
  'no-ledger': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** What `--help` prints. */
export const HELP = `Usage: npm run standin -- [options]

A stand-in for vovserver's REST API v3, for tests and demos.

  --host ADDRESS        listen on this address (127.0.0.1)
  --port N              web port (6271; 0 for a free one)
  --control-host ADDR   address of the control port (that of --host)
  --control-port N      control port (6270; 0 for a free one)
  --transport KIND      ${TRANSPORTS.join(', ')}
  --queue-name NAME     name of the queue (vnc)
  --users a:pw,b:pw     accounts with their passwords
  --users-file FILE     accounts, JSON: {"alice": "pw", "bob": {"password": "pw", "level": "LEADER"}}
  --jwt-life 20s        life of a JWT (4h)
  --clock real|manual   manual: time moves only by POST /clock
  --cert-dir DIR        write ca.pem (for https-ca and the like) and cert.pem there
  --san NAME            a further name for the certificate; may be repeated
  --profile key=value   a switch of the profile; may be repeated
  --seed N              chance (of faults) from this number
  --no-ledger           keep no ledger
`;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function readDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) throw new RangeError(`--jwt-life ${text}: write it like 20s or 4h`);
  return Number(number) * (UNITS[unit] ?? 1);
}

function readPort(name: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new RangeError(`--${name} ${text}: must be a port number`);
}

function readUsers(list: string, file: string | undefined): UserTable {
  const pairs = list.split(',').filter(Boolean);
  const bad = pairs.find((pair) => !pair.includes(':'));
  if (bad !== undefined) throw new RangeError(`--users ${bad}: write it like alice:password`);
  const listed = pairs.map((pair) => [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)]);
  return { ...(file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'))), ...Object.fromEntries(listed) };
}

function readTransport(text: string): Transport {
  const transport = TRANSPORTS.find((one) => one === text);
  if (transport === undefined) throw new RangeError(`--transport ${text}: must be ${TRANSPORTS.join(', ')}`);
  return transport;
}

function readClock(text: string): Clock {
  if (text === 'real') return systemClock;
  if (text !== 'manual') throw new RangeError(`--clock ${text}: must be real or manual`);
  const start = Date.now();
  return { ...systemClock, now: () => start };
}

function readProfile(switches: readonly string[], jwtLife: string | undefined): Partial<Profile> {
  const profile: Partial<Profile> = Object.assign({}, ...switches.map(readSwitch));
  return jwtLife === undefined ? profile : { ...profile, jwtLifeMs: readDuration(jwtLife) };
}

/** A sequence of numbers from 0 to below 1 that is the same for the same seed (mulberry32). */
function readSeed(text: string): () => number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--seed ${text}: must be a number of at most nine digits`);
  let state = Number(text);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a command line asks for. */
export interface CommandLine {
  readonly help: boolean;
  readonly server: VovserverOptions;
  readonly control: { readonly host: string; readonly port: number };
  /** Folder for ca.pem and cert.pem. */
  readonly certDir: string | null;
}

/** Reads the arguments of the stand-in. Throws an Error that names the argument and says how to write it. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  return {
    help: values.help,
    server: {
      host: values.host,
      port: readPort('port', values.port),
      transport: readTransport(values.transport),
      queueName: values['queue-name'],
      users: readUsers(values.users, values['users-file']),
      profile: readProfile(values.profile ?? [], values['jwt-life']),
      clock: readClock(values.clock),
      altNames: values.san ?? [],
      ledger: !values['no-ledger'],
      ...(values.seed === undefined ? {} : { random: readSeed(values.seed) }),
    },
    control: { host: values['control-host'] ?? values.host, port: readPort('control-port', values['control-port']) },
    certDir: values['cert-dir'] ?? null,
  };
}
