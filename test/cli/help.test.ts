import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** Every verb that takes flags. */
const VERBS = [
  'serve',
  'check',
  'token',
  'login',
  'logout',
  'whoami',
  'token print',
  'pin',
  'pin fetch',
  'binding',
  'who',
  'maintenance',
  'failover',
  'explain',
  'health',
];

describe('--help', () => {
  for (const verb of VERBS) {
    it(`of vovgw ${verb} is its usage, and no fault`, async () => {
      // A configuration is not looked for: this one does not exist.
      const env = { PATH: process.env.PATH, VOVGW_CONFIG: '/nonexistent/gateway.yaml' };
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...verb.split(' '), '--help'], {
        env,
      });
      assert.ok(stdout.startsWith(`vovgw ${verb.split(' ')[0]}`), stdout);
      assert.equal(stderr, '');
    });
  }
});
