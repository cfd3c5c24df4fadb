import { parseArgs } from 'node:util';
import { messageOf, systemClock } from '../kernel/index.ts';
import { type InspectedServer, inspectServer } from '../upstream/index.ts';
import { helped } from './verb.ts';

const USAGE = `vovgw pin fetch URL [--server-name NAME] [--timeout MS]

Looks at the certificate of a vovserver without trusting it, sends nothing, and prints what to put into the tls section
of the queue. --server-name is sent and checked instead of the host of the URL. Exit code 0 when the server was seen,
1 when it cannot be reached, 2 when called wrongly.
`;
const DEFAULT_TIMEOUT = 5000;
const DAY = 86_400_000;

type Print = (text: string) => void;

interface Question {
  readonly url: URL;
  readonly serverName: string | undefined;
  readonly timeout: number;
}

/** Text that a foreign server chose: nothing in it may steer the terminal. */
const printable = (text: string): string => text.replace(/\n/g, ', ').replace(/[^\x20-\x7e]/g, '?');

/** The question, or what is wrong with it. */
function decide(argv: readonly string[]): Question | string {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { 'server-name': { type: 'string' }, timeout: { type: 'string' } },
  });
  const [verb, text, ...more] = positionals;
  if (verb !== 'fetch') return verb === undefined ? 'say what to do: fetch' : `there is no “pin ${printable(verb)}”`;
  if (text === undefined) return 'the URL is missing, for example https://vovserver.example.com:6330';
  if (more.length > 0) return `one URL at a time; “${printable(more.join(' '))}” is too much`;
  if (!URL.canParse(text))
    return `“${printable(text)}” is no URL; write for example https://vovserver.example.com:6330`;
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'the URL must begin with https:// or http://';
  if (url.username !== '' || url.password !== '') return 'the URL must not hold a user name or password';
  const timeout = Number(values.timeout ?? DEFAULT_TIMEOUT);
  if (!Number.isInteger(timeout) || timeout < 1) return '--timeout must be a whole number of milliseconds';
  return { url, serverName: values['server-name'], timeout };
}

function plainHttp(url: URL): string {
  return `Server     ${url.origin}
Level      1 of the tutorial's three (“HTTPS Security Considerations”): plain HTTP

There is no certificate and no pin. Passwords, JWTs and jobs are open to everybody on the network between the gateway
and vovserver. Switch TLS on at vovserver (ssl.enable in policy.tcl), or put into the queue, knowing this:

    urls: ["${url.origin}"]
    allowInsecure: true
`;
}

function levelOf({ certificate, caRefusal }: InspectedServer): string {
  if (caRefusal === null) return '3 of the tutorial’s three: signed by an authority that this machine trusts';
  if (certificate.subject === certificate.issuer) return '2 of the tutorial’s three: self-signed; safe with its pin';
  return '2 of the tutorial’s three: not trusted here; 3 when tls.caFile names the authority that signed it';
}

function snippet({ pin, caRefusal }: InspectedServer, { url, serverName }: Question): string {
  const lines = [`urls: ["${url.origin}"]`, 'tls:', `  verify: ${caRefusal === null ? 'ca' : 'pin'}`];
  if (caRefusal !== null) lines.push('  pins:', `    - ${pin}`);
  if (serverName !== undefined) lines.push(`  serverName: ${JSON.stringify(serverName)}`);
  return lines.map((line) => `    ${line}\n`).join('');
}

function describe(server: InspectedServer, question: Question): string {
  const { certificate, protocol, pin, caRefusal } = server;
  const days = Math.floor((certificate.validToDate.getTime() - systemClock.now()) / DAY);
  const date = (when: Date): string => when.toISOString().slice(0, 10);
  const left = days < 0 ? 'EXPIRED' : `${days} days left`;
  const advice =
    caRefusal === null
      ? 'An authority vouches for it, so the queue needs no pin (verify: ca+pin with the pin above asks for both):'
      : `Nobody vouches for this pin yet: it may be an attacker’s. Compare it with the one of the certificate on the server:

    openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey -pubin -outform der |
      openssl dgst -sha256 -binary | base64

Then put into the queue (a second pin may stand beside it: the next key, for a change without an outage):`;
  return `Server     ${question.url.origin}, ${printable(protocol)}
Subject    ${printable(certificate.subject ?? '(none)')}
Issuer     ${printable(certificate.issuer ?? '(none)')}
Names      ${printable(certificate.subjectAltName ?? '(no subjectAltName)')}
Valid      ${date(certificate.validFromDate)} to ${date(certificate.validToDate)}, ${left}
verify: ca ${caRefusal === null ? 'would pass with the authorities of this machine' : `would fail here: ${printable(caRefusal)}`}
Level      ${levelOf(server)}
Pin        ${pin}

${advice}

${snippet(server, question)}`;
}

/** `vovgw pin fetch URL`: prints certificate, pin, level and the YAML for the queue. Resolves with the exit code. */
export async function runPin(argv: string[], out: Print, err: Print): Promise<number> {
  if (helped(argv, USAGE, out)) return 0;
  let question: Question | string;
  try {
    question = decide(argv);
  } catch (error) {
    question = messageOf(error);
  }
  if (typeof question === 'string') {
    err(`vovgw pin: ${question}\n\n${USAGE}`);
    return 2;
  }
  const { url, serverName, timeout } = question;
  if (url.protocol === 'http:') {
    out(plainHttp(url));
    return 0;
  }
  try {
    out(describe(await inspectServer(url, { clock: systemClock, serverName, timeout }), question));
    return 0;
  } catch (error) {
    err(`vovgw pin: ${url.origin} showed no certificate: ${printable(messageOf(error))}\n`);
    return 1;
  }
}
