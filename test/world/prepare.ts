import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findPythonWithRequests } from './python.ts';

/** A program that the tests start, with its Debian packages. */
interface Need {
  readonly what: string;
  readonly packages: readonly string[];
  readonly present: () => boolean;
}

const runs = (program: string, argument: string): boolean =>
  spawnSync(program, [argument], { stdio: 'ignore' }).status === 0;

const PHP_EXTENSIONS = ['dom', 'xml', 'mbstring', 'openssl'];

const phpKnows = (extension: string): boolean =>
  spawnSync('php', ['-r', `exit(extension_loaded('${extension}') ? 0 : 1);`], { stdio: 'ignore' }).status === 0;

const NEEDS: readonly Need[] = [
  { what: 'redis-server', packages: ['redis-server'], present: () => runs('redis-server', '--version') },
  { what: 'openssl', packages: ['openssl'], present: () => runs('openssl', 'version') },
  {
    what: 'python3 with requests',
    packages: ['python3', 'python3-requests'],
    present: () => findPythonWithRequests() !== null,
  },
  {
    what: 'php with dom, xml and openssl',
    packages: ['php-cli', 'php-xml', 'php-mbstring'],
    present: () => PHP_EXTENSIONS.every((name) => phpKnows(name)),
  },
  {
    what: 'SimpleSAMLphp',
    packages: ['simplesamlphp'],
    present: () => existsSync('/usr/share/simplesamlphp/www/module.php'),
  },
  { what: 'chromium', packages: ['chromium'], present: () => runs('chromium', '--version') },
];

const missing = (): Need[] => NEEDS.filter((need) => !need.present());

function aptGet(...args: string[]): boolean {
  // RUNLEVEL=1 keeps the package from starting a service of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
}

function install(packages: readonly string[]): void {
  console.log(`The tests need ${packages.join(', ')}: installing with apt-get.`);
  aptGet('update', '-q');
  aptGet('install', '-y', '-q', '--no-install-recommends', ...packages);
}

/** Makes sure that the programs which the tests start are there; the exit code is 1 when they are not. */
function prepare(): void {
  const wanted = missing();
  if (wanted.length === 0) return;
  const packages = wanted.flatMap((need) => need.packages);
  if (process.getuid?.() === 0 && runs('apt-get', '--version')) install(packages);
  const left = missing();
  if (left.length === 0) return;
  console.error(`The tests cannot run without ${left.map((need) => need.what).join(', ')}.`);
  console.error(`Install it first, on Debian or Ubuntu: apt-get install ${packages.join(' ')}`);
  process.exitCode = 1;
}

prepare();
