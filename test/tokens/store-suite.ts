import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { type Clock, Secret } from '../../src/kernel/index.ts';
import { createSealer, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { createJwtStore, type JwtStore } from '../../src/tokens/jwt-store.ts';
import { putUnderFence, splitFence } from '../../src/tokens/put-under-fence.ts';
import { createRefusedPasswords } from '../../src/tokens/refused-passwords.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { accountOf, createRecordedReport, SEALING_KEY } from './replicas.ts';

const EPOCH = 'vov1:6330';

/** A store to test on, with the clock that its lives go by. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly kv: KeyValue;
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

interface Subject extends StoreUnderTest {
  readonly jwts: JwtStore;
  readonly account: ReturnType<typeof accountOf>;
  token(text: string, life?: number): UpstreamToken;
  /** What the store says, shortened. */
  stored(): Promise<string>;
}

async function subjectOf(open: () => Promise<StoreUnderTest>): Promise<Subject> {
  const under = await open();
  const { kv, clock } = under;
  const sealer = createSealer({ current: SEALING_KEY });
  const jwts = createJwtStore({ kv, sealer, clock, report: createRecordedReport() });
  const account = accountOf(`user-${randomUUID()}`);
  return {
    ...under,
    jwts,
    account,
    token(text, life = 60_000) {
      const issuedAt = clock.now();
      return { tokenType: 'Bearer', accessToken: new Secret(text), issuedAt, expiresAt: issuedAt + life };
    },
    async stored() {
      const found = await jwts.read(account, EPOCH);
      return found.kind === 'jwt' ? `${found.fence} ${found.token.accessToken.reveal()}` : found.kind;
    },
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
}

/** What the shared JWT store keeps on any key-value store. */
export function jwtStoreSuite(open: () => Promise<StoreUnderTest>): void {
  it('gives back what was written, until the JWT ends', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token } = subject;
    assert.equal(await subject.stored(), 'absent');
    const written = token('one', 300);
    assert.equal(await jwts.write(account, EPOCH, written, 7), 7);
    const read = await jwts.read(account, EPOCH);
    assert.ok(read.kind === 'jwt');
    assert.deepEqual(
      [read.token.tokenType, read.token.accessToken.reveal(), read.token.issuedAt, read.token.expiresAt, read.fence],
      ['Bearer', 'one', written.issuedAt, written.expiresAt, 7],
    );
    assert.deepEqual(await jwts.read(account, 'vov2:6330'), { kind: 'absent' });
    await subject.pass(400);
    assert.equal(await subject.stored(), 'absent');
  });

  it('refuses an older fence, takes an equal or newer one, and knows the next', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token } = subject;
    const fence = 1_800_000_000_123;
    assert.equal(await jwts.write(account, EPOCH, token('a'), fence), fence);
    assert.equal(await jwts.write(account, EPOCH, token('b'), fence - 1), null);
    assert.equal(await subject.stored(), `${fence} a`);
    assert.equal(await jwts.write(account, EPOCH, token('c'), fence), fence);
    assert.equal(await jwts.write(account, EPOCH, token('d'), fence + 5), fence + 5);
    const next = await jwts.write(account, EPOCH, token('e'), 'next');
    assert.ok(typeof next === 'number' && next > fence + 5);
    assert.equal(await subject.stored(), `${next} e`);
  });

  it('drops for all, keeps the fence, and takes a newer login again', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token } = subject;
    await jwts.write(account, EPOCH, token('a'), 10);
    await jwts.drop(account, [EPOCH, 'vov2:6330'], 60_000);
    assert.equal(await subject.stored(), 'dropped');
    assert.deepEqual(await jwts.read(account, 'vov2:6330'), { kind: 'dropped' });
    assert.equal(await jwts.write(account, EPOCH, token('late'), 10), null, 'a login from before the drop');
    const fence = Date.UTC(2100, 0, 1);
    assert.equal(await jwts.write(account, EPOCH, token('b'), fence), fence);
    assert.equal(await subject.stored(), `${fence} b`);
  });

  it('drops a rejected JWT only while it is the stored one', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token } = subject;
    await jwts.write(account, EPOCH, token('newer'), 10);
    await jwts.dropIf(account, EPOCH, token('rejected'));
    assert.equal(await subject.stored(), '10 newer');
    await jwts.dropIf(account, EPOCH, token('newer'));
    assert.equal(await subject.stored(), 'dropped');
    await jwts.dropIf(account, EPOCH, token('newer'));
    assert.equal(await subject.stored(), 'dropped');
  });

  it('puts back only what is absent', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token } = subject;
    assert.equal(await jwts.restore(account, EPOCH, token('a'), 3), true);
    assert.equal(await subject.stored(), '3 a');
    assert.equal(await jwts.restore(account, EPOCH, token('b'), 9), false);
    assert.equal(await subject.stored(), '3 a');
    await jwts.drop(account, [EPOCH], 60_000);
    assert.equal(await jwts.restore(account, EPOCH, token('b'), 9), false);
    assert.equal(await subject.stored(), 'dropped');
  });

  it('is absent where something else stands', async () => {
    await using subject = await subjectOf(open);
    const key = `jwt:{${randomUUID()}}:x`;
    await subject.kv.set(key, 'no fence at all', null);
    assert.equal(splitFence((await subject.kv.get(key)) ?? ''), null);
    assert.deepEqual(await subject.kv.run(putUnderFence, [key], [4, 'body|with|bars', 60_000, 'fenced']), [4]);
    assert.deepEqual(splitFence((await subject.kv.get(key)) ?? ''), { fence: 4, body: 'body|with|bars' });
  });

  it('remembers a rejected password until the cool-down ends', async () => {
    await using subject = await subjectOf(open);
    const { kv, clock, account } = subject;
    const refused = createRefusedPasswords({ kv, clock, report: createRecordedReport() });
    assert.equal(await refused.read(account), null);
    const until = Math.floor(clock.now()) + 400;
    await refused.write(account, { version: 'v|1', until });
    assert.deepEqual(await refused.read(account), { version: 'v|1', until });
    await subject.pass(500);
    assert.equal(await refused.read(account), null);
  });

  it('is away, and only a drop throws, once the store has gone', async () => {
    await using subject = await subjectOf(open);
    const { jwts, account, token, kv } = subject;
    await kv[Symbol.asyncDispose]();
    assert.equal(await subject.stored(), 'away');
    assert.equal(await jwts.write(account, EPOCH, token('a'), 1), 'away');
    assert.equal(await jwts.restore(account, EPOCH, token('a'), 1), 'away');
    await jwts.dropIf(account, EPOCH, token('a'));
    await assert.rejects(jwts.drop(account, [EPOCH], 1000), StoreUnavailable);
  });
}
