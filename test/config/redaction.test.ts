import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadConfig, parseConfig, printable } from '../../src/config/index.ts';
import { configOf, everyFile, KEY, parsed, patched, production } from './samples.ts';

const SECRET = 'hunter2-hunter2-hunter2-hunter2-hunter2';
const OLD_KEY = Buffer.alloc(32, 3).toString('base64');

const withSecrets = () =>
  patched(production(), {
    redis: { password: `${SECRET}-redis`, sentinelPassword: `${SECRET}-sentinel` },
    secrets: { tokenKey: `${SECRET}-token`, previousSealingKey: OLD_KEY },
  });

const assertSilent = (text: string): void => {
  for (const secret of ['hunter2', KEY, OLD_KEY]) assert.ok(!text.includes(secret), text);
};

describe('secrets stay secret', () => {
  it('in the printed configuration, whatever prints it', () => {
    const config = configOf(parseConfig(withSecrets(), { readFile: everyFile }));
    const plain = printable(config);
    for (const text of [
      stringify(plain),
      JSON.stringify(plain),
      JSON.stringify(config),
      inspect(config, { depth: 9 }),
    ]) {
      assertSilent(text);
      assert.equal(text.split('[redacted]').length - 1, 5, text);
    }
  });

  it('in faults, whatever is wrong with them or beside them', () => {
    const broken = [
      { redis: { password: [SECRET] } },
      { redis: { password: { value: SECRET } } },
      { redis: { password: SECRET, passwordFile: SECRET.length } },
      { secrets: { sealingKey: SECRET } },
      { secrets: { tokenKey: 'hunter2' } },
      { secrets: [SECRET] },
      { redis: SECRET },
      { queues: [{ name: 'q', urls: [`https://u:${SECRET}@v:1`] }] },
      { mode: SECRET },
    ];
    for (const patch of broken) {
      const result = parseConfig(patched(withSecrets(), patch), { readFile: everyFile });
      assert.ok(!result.ok, JSON.stringify(patch));
      assertSilent(JSON.stringify(result));
    }
  });

  it('in faults about variables', () => {
    const env = {
      VOVGW_REDIS_PASSWORD: SECRET,
      VOVGW_SECRETS_SEALING_KEY: SECRET,
      VOVGW_SECRETS: `{tokenKey: ${SECRET}`,
      VOVGW_REDIS_PASSWRD: SECRET,
      VOVGW_SERVER_PORT: SECRET,
      VOVGW_LOG_REQUESTS: SECRET,
    };
    const result = loadConfig({ env });
    assert.ok(!result.ok && result.faults.length >= 5);
    assertSilent(JSON.stringify(result));
  });

  it('in files that are no YAML, wherever they break', () => {
    const text = stringify(withSecrets());
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.constantFrom('"', '[', '{', '\t', '*', '&', '!', ': ', '\n- ', '%'),
        (at, bad) => {
          const broken = `${text.slice(0, at)}${bad}${text.slice(at)}`;
          const result = loadConfig({
            file: '/gw.yaml',
            env: {},
            readFile: (path) => (path === '/gw.yaml' ? broken : everyFile(path)),
          });
          const shown = result.ok ? JSON.stringify(printable(result.config)) : JSON.stringify(result.faults);
          // A break inside a key's name makes the rest of that line the name; only values are secrets.
          assert.ok(!shown.includes(SECRET), shown);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('printable', () => {
  it('is the file again: units written out, and read to the same configuration', () => {
    const config = configOf(parsed({ limits: { groups: { g: { list: { requests: 2, window: '90s' } } } } }));
    const written = printable(config) as Record<string, unknown>;
    const again = parseConfig({ ...written, secrets: production().secrets }, { readFile: everyFile });
    assert.equal(JSON.stringify(configOf(again)), JSON.stringify(config));
  });
});
