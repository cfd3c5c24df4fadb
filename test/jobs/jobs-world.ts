import { randomBytes } from 'node:crypto';
import {
  createOrigins,
  createSubmissions,
  type Origins,
  type Submission,
  type Submissions,
} from '../../src/jobs/index.ts';
import { type Clock, type Identity, Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import type { configOf } from '../world/world.ts';
import { createFakeVovserver, type FakeVovserver } from './fake-vovserver.ts';

export const HASH_KEY = new Secret(Buffer.alloc(32, 5).toString('base64'));
export const SEALING_KEY = new Secret(Buffer.alloc(32, 6).toString('base64'));

type JobsConfig = ReturnType<typeof configOf>['jobs'];

export const DAY = 86_400_000;

export function jobsConfig(changes: Partial<JobsConfig> = {}): { jobs: JobsConfig } {
  return {
    jobs: {
      keyLife: 3 * DAY,
      implicitKeyLife: DAY,
      marker: 'jobname',
      settle: { lost: 10_000, dead: 120_000, readAge: 60_000 },
      originLife: 400 * DAY,
      ...changes,
    } as JobsConfig,
  };
}

export function personOf(user: string, roles: Identity['roles'] = ['user']): Identity {
  const subject = `local:${user}`;
  return { subject, user, groups: [], roles, provider: null, attributes: {}, bound: null };
}

export const BODY = { command: 'sleep 60', logfile: 'JOBLOG.1', rundir: '/proj/a', env: 'BASE' };

let requests = 0;

/** A submission of alice. */
export function submissionOf(changes: Partial<Submission> & { readonly json?: unknown } = {}): Submission {
  const { json = BODY, ...rest } = changes;
  requests += 1;
  return {
    queue: 'test',
    epoch: 'vov1:6330',
    account: 'alice',
    identity: personOf('alice'),
    tokenId: 't1',
    tokenLabel: 'laptop',
    address: '192.0.2.1',
    requestId: `request-${requests}`,
    method: 'POST',
    target: '/api/v3/jobs',
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(json)),
    key: 'key-1',
    ...rest,
  };
}

/** What the room told. */
export interface Told {
  readonly what: string[];
  readonly log: string[];
}

export function createTold(): Told & { readonly report: Parameters<typeof createSubmissions>[0]['report'] } {
  const what: string[] = [];
  const log: string[] = [];
  const note = (fields: object, message: string): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const report = {
    submission: (_queue: string, happened: string) => void what.push(happened),
    log: { debug: note, info: note, warn: note, error: note },
  };
  return { what, log, report };
}

export interface Replica extends Told {
  readonly submissions: Submissions;
  readonly origins: Origins;
}

/** A replica of the room on a store. */
export function createReplica(kv: KeyValue, clock: Clock, config: () => { jobs: JobsConfig }): Replica {
  const told = createTold();
  const sealer = createSealer({ current: SEALING_KEY });
  const common = { kv, sealer, hashKey: HASH_KEY, config, clock, report: told.report };
  const origins = createOrigins(common);
  const submissions = createSubmissions({ ...common, origins, random: randomBytes });
  return { ...told, submissions, origins };
}

export interface JobsWorld extends AsyncDisposable, Replica {
  readonly kv: KeyValue;
  readonly clock: ReturnType<typeof createManualClock>;
  readonly vovserver: FakeVovserver;
  config: { jobs: JobsConfig };
  /** Another replica on the same store. */
  join(kv?: KeyValue): Replica;
}

/** One replica on a store in memory, its clock, and a vovserver to submit to. */
export function createJobsWorld(changes: Partial<JobsConfig> = {}): JobsWorld {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  const join = (on: KeyValue = kv): Replica => createReplica(on, clock, () => world.config);
  const world: JobsWorld = {
    ...createReplica(kv, clock, () => world.config),
    kv,
    clock,
    vovserver: createFakeVovserver(clock),
    config: jobsConfig(changes),
    join,
    [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose](),
  };
  return world;
}
