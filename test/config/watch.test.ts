import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ConfigChange,
  type ConfigResult,
  createConfigWatcher,
  type Fault,
  parseConfig,
} from '../../src/config/index.ts';
import { everyFile, parsed } from './samples.ts';

type Good = ConfigResult & { readonly ok: true };

const good = (patch: Record<string, unknown> = {}, files: readonly string[] = ['/g.yaml']): Good => {
  const result = parsed(patch);
  assert.ok(result.ok, JSON.stringify(result));
  return { ...result, files };
};

/** A watcher on a file system of one's own: `change` is what the files say next. */
function createFixture(first: Good, apply: (change: ConfigChange) => void = () => undefined) {
  const changes: ConfigChange[] = [];
  const faults: (readonly Fault[])[] = [];
  const watched: (readonly string[])[] = [];
  let next: ConfigResult = first;
  let touch = (): void => {};
  let open = 0;
  const watcher = createConfigWatcher({
    load: () => next,
    first,
    watch(files, onChange) {
      watched.push(files);
      open++;
      touch = onChange;
      return { [Symbol.dispose]: () => void open-- };
    },
    onChange(change) {
      apply(change);
      changes.push(change);
    },
    onFault: (found) => void faults.push(found),
  });
  return {
    watcher,
    changes,
    faults,
    watched,
    openWatches: () => open,
    change(result: ConfigResult) {
      next = result;
      touch();
    },
    say(result: ConfigResult) {
      next = result;
    },
  };
}

describe('createConfigWatcher', () => {
  it('swaps what is valid and says which sections are live', () => {
    const fixture = createFixture(good());
    fixture.change(good({ log: { level: 'debug' }, limits: { mode: 'observe' } }));
    assert.equal(fixture.watcher.current.log.level, 'debug');
    const [change] = fixture.changes;
    assert.deepEqual(change?.changed, ['log', 'limits']);
    assert.deepEqual(change?.live, ['log', 'limits']);
    assert.deepEqual(change?.restart, []);
    assert.equal(change?.config, fixture.watcher.current);
  });

  it('puts providers into effect at once, but not the public URL', () => {
    const fixture = createFixture(good());
    const provider = { type: 'oidc', name: 'entra', issuer: 'https://idp.example', clientId: 'c', clientAuth: 'none' };
    const server = { publicUrl: 'https://gw.example' };
    fixture.change(good({ signIn: { providers: [provider] }, server }));
    assert.deepEqual(fixture.changes[0]?.live, ['signIn']);
    assert.deepEqual(fixture.changes[0]?.restart, ['server']);
    fixture.change(good({ signIn: { providers: [{ ...provider, label: 'Work account' }] }, server }));
    assert.deepEqual([fixture.changes[1]?.changed, fixture.changes[1]?.live], [['signIn'], ['signIn']]);
  });

  it('says what needs a restart until it is taken back', () => {
    const fixture = createFixture(good());
    fixture.change(good({ server: { port: 9000 }, redis: { db: 2 } }));
    assert.deepEqual(fixture.changes[0]?.restart, ['server', 'redis']);
    assert.deepEqual(fixture.changes[0]?.live, []);
    fixture.change(good({ server: { port: 9000 }, redis: { db: 2 }, log: { level: 'warn' } }));
    assert.deepEqual(fixture.changes[1]?.changed, ['log']);
    assert.deepEqual(fixture.changes[1]?.restart, ['server', 'redis']);
    fixture.change(good({ log: { level: 'warn' } }));
    assert.deepEqual(fixture.changes[2]?.restart, []);
  });

  it('sees a changed secret, which prints the same', () => {
    const fixture = createFixture(good());
    fixture.change(good({ secrets: { tokenKey: 'k'.repeat(50) } }));
    assert.deepEqual(fixture.changes[0]?.restart, ['secrets']);
  });

  it('counts the port of a queue as a listener and the rest of it as live', () => {
    const queue = { name: 'chips', urls: ['https://vov:6310'] };
    const fixture = createFixture(good());
    fixture.change(good({ queues: [{ ...queue, hosts: ['gw'] }] }));
    assert.deepEqual(fixture.changes[0]?.restart, []);
    fixture.change(good({ queues: [{ ...queue, port: 9001 }] }));
    assert.deepEqual(fixture.changes[1]?.live, ['queues']);
    assert.deepEqual(fixture.changes[1]?.restart, ['queues[].port']);
  });

  it('keeps the last good one and lists all faults', () => {
    const fixture = createFixture(good({ log: { level: 'warn' } }));
    fixture.change({ ...parsed({ mode: 'x', replicas: 0 }), files: ['/g.yaml'] });
    assert.equal(fixture.changes.length, 0);
    assert.equal(fixture.faults[0]?.length, 2);
    assert.equal(fixture.watcher.current.log.level, 'warn');
    fixture.change(good({ log: { level: 'error' } }));
    assert.equal(fixture.watcher.current.log.level, 'error');
  });

  it('keeps the last good one when the new one cannot be put into effect, and tries it again when asked', () => {
    let broken = true;
    const fixture = createFixture(good({ log: { level: 'warn' } }), () => {
      if (broken) throw new Error('/ca.pem: holds no PEM certificate');
    });
    fixture.change(good({ log: { level: 'error' } }));
    assert.equal(fixture.watcher.current.log.level, 'warn');
    assert.match(fixture.faults[0]?.[0]?.reason ?? '', /holds no PEM certificate/);
    assert.equal(fixture.faults[0]?.[0]?.path, 'log');
    broken = false;
    assert.equal(fixture.watcher.reload(), true);
    assert.equal(fixture.watcher.current.log.level, 'error');
    assert.deepEqual(fixture.changes.at(-1)?.changed, ['log']);
  });

  it('reloads when asked, and says whether the files are good', () => {
    const fixture = createFixture(good());
    fixture.say(parsed({ mode: 'x' }));
    assert.equal(fixture.watcher.reload(), false);
    fixture.say(good({ replicas: 3 }));
    assert.equal(fixture.watcher.reload(), true);
    assert.deepEqual(fixture.changes[0]?.changed, ['replicas']);
  });

  it('tells nothing when nothing changed', () => {
    const fixture = createFixture(good());
    fixture.change(good());
    assert.equal(fixture.watcher.reload(), true);
    assert.deepEqual([fixture.changes.length, fixture.faults.length], [0, 0]);
  });

  it('watches new secret files, and those known before while there are faults', () => {
    const fixture = createFixture(good({}, ['/g.yaml', '/a']));
    assert.deepEqual(fixture.watched, [['/g.yaml', '/a']]);
    fixture.change({ ok: false, faults: [], warnings: [], files: ['/g.yaml', '/b'] });
    assert.deepEqual([...(fixture.watched.at(-1) ?? [])].sort(), ['/a', '/b', '/g.yaml']);
    fixture.change(good({}, ['/g.yaml', '/b']));
    assert.ok(fixture.watched.at(-1)?.includes('/b'));
    assert.equal(fixture.openWatches(), 1);
    const before = fixture.watched.length;
    fixture.change(good({}, ['/g.yaml', '/b']));
    fixture.change(good({}, ['/g.yaml', '/b']));
    assert.ok(fixture.watched.length <= before + 1);
    fixture.watcher[Symbol.dispose]();
    assert.equal(fixture.openWatches(), 0);
  });

  it('keeps the secrets that a trial made at its start', () => {
    const trial = (level: string): Good => {
      const raw = {
        mode: 'development',
        server: { host: '::1' },
        log: { level },
        queues: [{ name: 'q', urls: ['https://v:1'] }],
      };
      const result = parseConfig(raw, { readFile: everyFile });
      assert.ok(result.ok);
      return result;
    };
    const first = trial('info');
    const fixture = createFixture(first);
    fixture.change(trial('info'));
    assert.equal(fixture.changes.length, 0);
    fixture.change(trial('debug'));
    assert.deepEqual(fixture.changes[0]?.changed, ['log']);
    assert.equal(fixture.watcher.current.secrets.tokenKey.reveal(), first.config.secrets.tokenKey.reveal());
    assert.ok(Object.isFrozen(fixture.watcher.current) && Object.isFrozen(fixture.watcher.current.secrets));
  });
});
