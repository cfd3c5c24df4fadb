import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { type AdminAddress, configuredAdmin } from './admin-address.ts';
import { helped } from './verb.ts';

const USAGE = `vovgw health [--url URL] [--host HOST] [--port PORT] [--config FILE] [--timeout MS]

Asks the admin listener whether this gateway is ready; exit code 0 when it is, 1 when not, 2 when called wrongly.
Without --url it asks http://HOST:PORT/readyz; HOST and PORT from the flags, else $VOVGW_ADMIN_HOST and
$VOVGW_ADMIN_PORT, else admin.host and admin.port of the configuration file (--config FILE, else $VOVGW_CONFIG, else
config/gateway.yaml, else /etc/vov-gateway/gateway.yaml), else 127.0.0.1 and 9464.
`;
const DEFAULT_TIMEOUT = 3000;
const BODY_LIMIT = 4096;

type Environment = Readonly<Record<string, string | undefined>>;
type Print = (text: string) => void;

interface Question {
  readonly url: URL;
  readonly timeout: number;
  /** The named configuration file that could not be read. */
  readonly unread?: string | undefined;
}

/** An address that is listened on, as one that can be called: every address also means loopback. */
function callable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (host === '::' || host === '[::]') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The question, or what is wrong with it. */
function decide(argv: readonly string[], env: Environment): Question | string {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      url: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      config: { type: 'string' },
      timeout: { type: 'string' },
    },
  });
  const said = { host: values.host ?? env.VOVGW_ADMIN_HOST, port: values.port ?? env.VOVGW_ADMIN_PORT };
  const decided = values.url !== undefined || (said.host !== undefined && said.port !== undefined);
  const configured: AdminAddress = decided ? {} : configuredAdmin(values.config, env);
  const host = callable(said.host ?? configured.host ?? '127.0.0.1');
  const port = said.port ?? configured.port ?? '9464';
  const text = values.url ?? `http://${host}:${port}/readyz`;
  const timeout = Number(values.timeout ?? DEFAULT_TIMEOUT);
  if (!Number.isInteger(timeout) || timeout < 1) return `--timeout ${values.timeout} is no number of milliseconds`;
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'http:') {
    return `${text} is no http:// URL; give for example --url http://127.0.0.1:9464/readyz`;
  }
  return { url, timeout, unread: configured.unread };
}

/** Status and first words of the answer; rejects when there is none in time. */
function ask({ url, timeout }: Question): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, signal: AbortSignal.timeout(timeout) }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        if (body.length < BODY_LIMIT) body += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: body.trim() }));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end();
  });
}

const reasonOf = (error: unknown, timeout: number): string => {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `no answer within ${timeout} ms`;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
};

/** `vovgw health`: exit code 0 when the gateway is ready, 1 when it is not or does not answer, 2 for wrong use. */
export async function runHealth(argv: string[], env: Environment, out: Print, err: Print): Promise<number> {
  if (helped(argv, USAGE, out)) return 0;
  let question: Question | string;
  try {
    question = decide(argv, env);
  } catch (error) {
    question = error instanceof Error ? error.message : String(error);
  }
  if (typeof question === 'string') {
    err(`vovgw health: ${question}\n\n${USAGE}`);
    return 2;
  }
  if (question.unread !== undefined) {
    err(`vovgw health: ${question.unread} cannot be read as a configuration; asking ${question.url.host}\n`);
  }
  try {
    const { status, body } = await ask(question);
    if (status === 200) {
      out(`${body}\n`);
      return 0;
    }
    err(`vovgw health: ${question.url.href} answered ${status}: ${body}\n`);
  } catch (error) {
    err(`vovgw health: ${question.url.href}: ${reasonOf(error, question.timeout)}\n`);
  }
  return 1;
}
