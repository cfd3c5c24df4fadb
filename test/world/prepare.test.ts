import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pythonWithRequests } from './python.ts';

const SCRIPT = fileURLToPath(new URL('./prepare.ts', import.meta.url));

const prepare = (env: NodeJS.ProcessEnv) => spawnSync(process.execPath, [SCRIPT], { env, encoding: 'utf8' });

test('says nothing where everything is there', () => {
  const { status, stdout, stderr } = prepare(process.env);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

test('names what is missing and how to get it where it cannot install', () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-programs-'));
  try {
    const { status, stderr } = prepare({ PATH: empty });
    assert.equal(status, 1);
    assert.match(stderr, /cannot run without redis-server, openssl/);
    assert.match(stderr, /apt-get install redis-server openssl/);
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test('finds a Python with requests', () => {
  const { status, stdout } = spawnSync(pythonWithRequests(), ['-c', 'import requests; print(requests.__name__)'], {
    encoding: 'utf8',
  });
  assert.deepEqual({ status, stdout: stdout.trim() }, { status: 0, stdout: 'requests' });
});
