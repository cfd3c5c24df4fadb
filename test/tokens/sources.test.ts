import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { SourceConfig } from '../../src/config/index.ts';
import { Secret, systemClock } from '../../src/kernel/index.ts';
import { createSources, type Sources } from '../../src/tokens/index.ts';
import { accountOf, createRecordedReport } from './replicas.ts';

interface Sourced extends AsyncDisposable {
  readonly dir: string;
  readonly sources: Sources;
  config: SourceConfig[];
}

async function createSourced(entries: (dir: string) => SourceConfig[]): Promise<Sourced> {
  const dir = await mkdtemp(join(tmpdir(), 'vovgw-sources-'));
  await mkdir(join(dir, 'files'));
  await writeFile(join(dir, 'files', 'alice'), 'from file');
  await writeFile(join(dir, 'password'), 'from shared');
  const self = {
    dir,
    config: entries(dir),
    async [Symbol.asyncDispose]() {
      await sources[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
  const sources = createSources({
    config: () => self.config,
    clock: systemClock,
    report: createRecordedReport(),
    versionKey: new Secret('key'),
    env: { PATH: process.env.PATH },
  });
  return Object.assign(self, { sources });
}

const file = (dir: string): SourceConfig => ({ type: 'file', dir: join(dir, 'files') });
const shared = (dir: string): SourceConfig => ({
  type: 'shared',
  account: 'svc',
  passwordFile: join(dir, 'password'),
});
const exec: SourceConfig = {
  type: 'exec',
  command: ['echo', '{"password":"from exec"}'],
  timeout: 10_000,
  cache: 60_000,
};

describe('the configured credential sources', () => {
  it('stand in the order of the configuration, passthrough being none', async () => {
    await using sourced = await createSourced((dir) => [shared(dir), { type: 'passthrough' }, exec, file(dir)]);
    assert.deepEqual(
      sourced.sources().map(({ name }) => name),
      ['shared svc', 'exec echo', `file ${join(sourced.dir, 'files')}`],
    );
    const passwords = await Promise.all(
      sourced
        .sources()
        .map(async (source) => (await source.find({ ...accountOf('svc'), shared: true }))?.secret.reveal()),
    );
    assert.deepEqual(passwords, ['from shared', 'from exec', undefined]);
  });

  it('answer for their queues only', async () => {
    await using sourced = await createSourced((dir) => [{ ...file(dir), queues: ['other'] }]);
    const [source] = sourced.sources();
    assert.equal(await source?.find(accountOf('alice')), null);
    assert.equal((await source?.find(accountOf('alice', 'other')))?.secret.reveal(), 'from file');
  });

  it('are built anew for another configuration, and only then', async () => {
    await using sourced = await createSourced((dir) => [file(dir)]);
    const before = sourced.sources();
    sourced.sources.update();
    assert.equal(sourced.sources(), before);
    sourced.config = [exec];
    const [source] = sourced.sources();
    assert.equal((await source?.find(accountOf('alice')))?.secret.reveal(), 'from exec');
    sourced.config = [shared(sourced.dir)];
    sourced.sources.update();
    assert.equal(await sourced.sources()[0]?.find(accountOf('alice')), null);
    await assert.rejects(async () => await source?.find(accountOf('bob')), /GW_CREDENTIAL_UNAVAILABLE/, 'it has ended');
  });

  it('give one version for one password whichever source it came from', async () => {
    await using sourced = await createSourced((dir) => [file(dir), exec]);
    await writeFile(join(sourced.dir, 'files', 'alice'), 'from exec\n');
    const [a, b] = await Promise.all(sourced.sources().map((source) => source.find(accountOf('alice'))));
    assert.equal(a?.version, b?.version);
  });
});
