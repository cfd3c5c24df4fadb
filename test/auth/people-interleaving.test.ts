import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import type { KeyValue } from '../../src/platform/index.ts';
import { assertionOf, createPeopleWorld, rulesFrom } from './people-world.ts';

/** Three people may ask for three names, two of which lead to one account. */
const TABLE = { ann: 'one', bea: 'one', cat: 'two' };
const USERS = Object.keys(TABLE);
const rules = rulesFrom({ rules: [{ match: { provider: 'corp' }, table: TABLE }] });

type Step =
  | { readonly do: 'admit'; readonly subject: string; readonly user: string }
  | { readonly do: 'release'; readonly user: string }
  | { readonly do: 'give'; readonly subject: string; readonly user: string };

const user = fc.constantFrom(...USERS);
const admit = fc.record({ do: fc.constant('admit' as const), subject: fc.constantFrom('1', '2', '3'), user });
const release = fc.record({ do: fc.constant('release' as const), user });
const give = fc.record({ do: fc.constant('give' as const), subject: fc.constantFrom('1', '2', '3'), user });
const weighed = [
  { weight: 6, arbitrary: admit },
  { weight: 2, arbitrary: release },
  { weight: 1, arbitrary: give },
] as const;
const steps = fc.array(fc.oneof(...weighed), {
  minLength: 2,
  maxLength: 6,
});

/** A store whose calls are taken up in the order that the scheduler likes. */
function scheduled(kv: KeyValue, scheduler: fc.Scheduler): KeyValue {
  const wait = (what: string): Promise<unknown> => scheduler.schedule(Promise.resolve(), what);
  return {
    ...kv,
    get: (key) => wait(`get ${key}`).then(() => kv.get(key)),
    compareAndSet: (key, ...rest) => wait(`cas ${key}`).then(() => kv.compareAndSet(key, ...rest)),
    delete: (key) => wait(`delete ${key}`).then(() => kv.delete(key)),
    addToSet: (key, member) => wait(`add ${key}`).then(() => kv.addToSet(key, member)),
    removeFromSet: (key, member) => wait(`remove ${key}`).then(() => kv.removeFromSet(key, member)),
    members: (key) => wait(`members ${key}`).then(() => kv.members(key)),
  };
}

type World = ReturnType<typeof createPeopleWorld>;

async function run(world: World, scheduler: fc.Scheduler, all: readonly Step[]): Promise<void> {
  const people = world.join({ kv: scheduled(world.store, scheduler) });
  // One administrator does one thing after the other; everybody else does theirs at the same time.
  let administrator = Promise.resolve();
  const running = all.map(async (step) => {
    if (step.do !== 'admit') {
      administrator = administrator.then(async () => {
        if (step.do === 'release') await people.release(step.user);
        else await people.give(step.user, `corp:${step.subject}`);
      });
      return await administrator;
    }
    try {
      await people.admit(assertionOf(step.subject, step.user));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      assert.match(error.code, /^GW_(IDENTITY_CONFLICT|STORE_UNAVAILABLE)$/);
    }
  });
  await scheduler.waitFor(Promise.all(running));
}

/** Nobody shares, and what is bound is refused to a stranger. */
async function checkBindings(world: World): Promise<Set<string>> {
  const bindings = await world.people.bindings();
  const owned = bindings.flatMap(({ user: name, accounts }) => [
    `user ${name}`,
    ...Object.entries(accounts).map(([queue, account]) => `${queue} ${account}`),
  ]);
  assert.deepEqual(
    bindings.filter(({ alsoOf }) => alsoOf !== undefined),
    [],
  );
  for (const { user: name, subject, former, lastSignInAt } of bindings) {
    if (former !== true && lastSignInAt > 0) assert.equal((await world.people.find(subject))?.user, name);
    await assert.rejects(world.people.admit(assertionOf('stranger', name)), { code: 'GW_IDENTITY_CONFLICT' });
  }
  return new Set(owned);
}

describe('sign-ins and releases in any order of their steps', () => {
  it('never bind one name or account to two, and leave nothing locked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), steps, async (scheduler, all) => {
        await using world = createPeopleWorld(rules);
        await run(world, scheduler, all);
        const owned = await checkBindings(world);
        await world.clock.advance(60_000);
        for (const [name, account] of Object.entries(TABLE)) {
          const free = [`user ${name}`, `vnc ${account}`, `fast ${account}`].every((thing) => !owned.has(thing));
          if (!free) continue;
          await world.people.admit(assertionOf(`next-${name}`, name));
          assert.equal((await world.people.release(name)).length, 1);
        }
        await checkBindings(world);
      }),
      { numRuns: 400 },
    );
  });
});
