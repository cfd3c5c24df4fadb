import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAME = '@mdn/mdn-http-observatory';

/**
 * Calls the package's own `scan`. A host may carry a port and a path: it only puts the text behind `https://`. Who is signed
 * in is a header of every request. Cookies that a scan cannot reach (behind a form) go through its own cookie test.
 */
const DRIVER = `import axios from 'axios';
import { CookieJar } from 'tough-cookie';
import { scan } from '${NAME}';
import { cookiesTest } from './node_modules/${NAME}/src/analyzer/tests/cookies.js';
import { Requests } from './node_modules/${NAME}/src/types.js';
const { site, cookie, setCookies } = JSON.parse(process.argv[2]);
if (cookie !== undefined) axios.defaults.headers.common.Cookie = cookie;
const pick = ([name, { result, pass, scoreModifier }]) => ({ name, result, pass, modifier: scoreModifier ?? 0 });
if (setCookies === undefined) {
  const { scan: { grade, score, statusCode }, tests } = await scan(site);
  console.log(JSON.stringify({ grade, score, status: statusCode, tests: Object.entries(tests).map(pick) }));
} else {
  const requests = new Requests(site);
  const url = 'https://' + site;
  const jar = new CookieJar();
  for (const line of setCookies) jar.setCookieSync(line, url);
  const found = jar.serializeSync().cookies.length;
  requests.session = { jar, url: new URL(url) };
  requests.responses.auto = { headers: { 'set-cookie': setCookies }, verified: true };
  console.log(JSON.stringify({ found, ...pick(['cookies', cookiesTest(requests)]) }));
}
`;

/** The result of one test of the scanner, and what it adds to the score or takes from it. */
export interface Test {
  readonly name: string;
  readonly result: string;
  readonly pass: boolean;
  readonly modifier: number;
}

/** What the scanner says of a page. */
export interface Grade {
  readonly grade: string;
  readonly score: number;
  readonly status: number;
  readonly tests: readonly Test[];
}

/** The scanner, installed in a folder of its own. */
export interface Observatory {
  readonly version: string;
  /** Scans `https://<site>`; a site is a host with port and path. */
  scan(site: string, cookie?: string): Promise<Grade>;
  /** The cookie test on Set-Cookie lines of that site. */
  cookies(site: string, setCookies: readonly string[]): Promise<Test & { readonly found: number }>;
}

/** Installs the scanner in `folder`, without its install scripts. `caFile` is what it trusts beside the public authorities. */
export async function installObservatory(folder: string, version: string, caFile: string): Promise<Observatory> {
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `${NAME}@${version}`];
  await run('npm', args, { cwd: folder, timeout: 300_000 });
  const home = join(folder, 'node_modules', NAME);
  await mkdir(join(home, 'conf'), { recursive: true });
  // Its install script would download this list. Being on it can only raise a result, so none is ever in our favour.
  await writeFile(join(home, 'conf/hsts-preload.json'), '{}');
  await writeFile(join(folder, 'drive.js'), DRIVER);
  const env = { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: caFile };
  const drive = async <T>(input: object): Promise<T> => {
    const { stdout } = await run(process.execPath, ['drive.js', JSON.stringify(input)], { cwd: folder, env });
    return JSON.parse(stdout) as T;
  };
  const own = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { version: string };
  return {
    version: own.version,
    scan: (site, cookie) => drive({ site, cookie }),
    cookies: (site, setCookies) => drive({ site, setCookies }),
  };
}
