import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { metadataXml } from './saml-idp.ts';
import { createSamlWorld, failsWith, KEYS } from './saml-world.ts';

const unknown = failsWith('signed by no known certificate of the provider');
const metadata = (...keys: (typeof KEYS.idp)[]): Buffer => Buffer.from(metadataXml({ keys }));

describe('a provider that changes its certificate', () => {
  it('is believed with either while its metadata names both', async () => {
    await using world = await createSamlWorld();
    await writeFile(world.metadataFile, metadata(KEYS.idp, KEYS.nextIdp));
    const provider = world.replica();
    for (const key of [KEYS.idp, KEYS.nextIdp]) {
      const begun = await world.begin(provider);
      await world.finish(provider, begun, world.respond(begun, { key }));
    }
  });

  it('loses no sign-in when its metadata file changed under a sign-in', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    await writeFile(world.metadataFile, metadata(KEYS.nextIdp));
    await world.finish(provider, begun, world.respond(begun, { key: KEYS.nextIdp }));
    const late = await world.begin(provider);
    await assert.rejects(world.finish(provider, late, world.respond(late)), unknown);
  });

  it('loses no sign-in when the metadata at its URL changed', async () => {
    await using world = await createSamlWorld();
    let reads = 0;
    let now = metadata(KEYS.idp);
    const fetch = async (): Promise<Buffer> => {
      reads += 1;
      return now;
    };
    const provider = world.replica({ metadataFile: undefined, metadataUrl: 'https://idp.example/metadata' }, { fetch });
    const first = await world.begin(provider);
    await world.finish(provider, first, world.respond(first));
    assert.equal(reads, 1);
    now = metadata(KEYS.nextIdp);
    const begun = await Promise.all([world.begin(provider), world.begin(provider), world.begin(provider)]);
    await Promise.all(begun.map((one) => world.finish(provider, one, world.respond(one, { key: KEYS.nextIdp }))));
    assert.equal(reads, 2);
  });

  it('is asked at most once in 30 s for signatures of nobody', async () => {
    await using world = await createSamlWorld();
    let reads = 0;
    const fetch = async (): Promise<Buffer> => {
      reads += 1;
      return metadata(KEYS.idp);
    };
    const provider = world.replica({ metadataFile: undefined, metadataUrl: 'https://idp.example/metadata' }, { fetch });
    const forge = async (): Promise<void> => {
      const begun = await world.begin(provider);
      const forged = world.respond(begun, { key: KEYS.stranger });
      await assert.rejects(world.finish(provider, begun, forged), unknown);
    };
    await Promise.all([forge(), forge(), forge()]);
    await forge();
    assert.equal(reads, 2);
    await world.clock.advance(30_000);
    await forge();
    await forge();
    assert.equal(reads, 3);
  });

  it('is not asked for a document that was altered or has a wrong shape', async () => {
    await using world = await createSamlWorld();
    let reads = 0;
    const fetch = async (): Promise<Buffer> => {
      reads += 1;
      return metadata(KEYS.idp);
    };
    const provider = world.replica({ metadataFile: undefined, metadataUrl: 'https://idp.example/metadata' }, { fetch });
    const begun = await world.begin(provider);
    const xml = Buffer.from(world.respond(begun), 'base64').toString();
    const altered = Buffer.from(xml.replace('alice-0001', 'mallory-01')).toString('base64');
    await assert.rejects(world.finish(provider, begun, altered), failsWith('signature does not hold'));
    const bare = world.respond(begun, { signed: ['response'] });
    await assert.rejects(world.finish(provider, begun, bare), failsWith('Assertion is not signed'));
    assert.equal(reads, 1);
  });

  it('keeps its old metadata while the new cannot be read', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const begun = await world.begin(provider);
    await writeFile(world.metadataFile, '<half');
    const forged = world.respond(begun, { key: KEYS.stranger });
    await assert.rejects(world.finish(provider, begun, forged), unknown);
    assert.match(world.logged.join('\n'), /metadata could not be read .*xml: a malformed tag/);
    const next = await world.begin(provider);
    await world.finish(provider, next, world.respond(next));
    assert.equal(provider.state().ready, true);
  });

  it('is noticed by the watched file even when nobody signs in', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    await world.begin(provider);
    await writeFile(world.metadataFile, metadata(KEYS.nextIdp));
    await eventually('the file is read again', async () => {
      await world.clock.advance(2000);
      return world.logged.filter((line) => line.startsWith('metadata read')).length === 2;
    });
    const begun = await world.begin(provider);
    await world.finish(provider, begun, world.respond(begun, { key: KEYS.nextIdp }));
  });
});

describe('a gateway that changes its own key', () => {
  const renewals = (lines: readonly string[], text: string): number =>
    lines.filter((line) => line.startsWith(text)).length;

  /** Lets the watcher look until it has said this. */
  const until = (world: Awaited<ReturnType<typeof createSamlWorld>>, text: string): Promise<unknown> =>
    eventually(text, async () => {
      await world.clock.advance(2000);
      return renewals(world.logged, text) > 0;
    });

  it('signs with the new one and still opens what was encrypted for the one before', async () => {
    await using world = await createSamlWorld();
    const previous = {
      previousKeyFile: `${world.folder}/previous.key`,
      previousCertFile: `${world.folder}/previous.crt`,
    };
    const provider = world.replica(previous);
    const before = await provider.metadata();
    const write = (name: string, { keyPem, certPem }: typeof KEYS.sp): Promise<unknown> =>
      Promise.all([world.file(`${name}.key`, keyPem), world.file(`${name}.crt`, certPem)]);
    await Promise.all([write('sp', KEYS.stranger), write('previous', KEYS.sp)]);
    await until(world, 'changed keys are in use');
    assert.notEqual(await provider.metadata(), before);
    for (const { certPem } of [KEYS.stranger, KEYS.sp]) {
      const begun = await world.begin(provider);
      await world.finish(provider, begun, world.respond(begun, { encryptFor: certPem }));
    }
    const begun = await world.begin(provider);
    const old = world.respond(begun, { encryptFor: KEYS.previousSp.certPem });
    await assert.rejects(world.finish(provider, begun, old), failsWith('encryption: none of our keys opens it'));
  });

  it('keeps the last good one while the files do not fit together', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica();
    const before = await provider.metadata();
    await world.file('sp.key', KEYS.stranger.keyPem);
    await until(world, 'changed keys cannot be used');
    assert.equal(await provider.metadata(), before);
    assert.doesNotMatch(world.logged.join(), /BEGIN/);
    await world.file('sp.crt', KEYS.stranger.certPem);
    await until(world, 'changed keys are in use');
    assert.notEqual(await provider.metadata(), before);
  });
});
