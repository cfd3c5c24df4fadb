import { Secret } from '../../src/kernel/index.ts';
import type { Report } from '../../src/observe/index.ts';
import { createLeases, createMemoryKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import {
  type BrokerHandle,
  createBroker,
  createEnrolledPasswords,
  createEnrolments,
  createSources,
  type EnrolmentsHandle,
} from '../../src/tokens/index.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createFakeVovserver } from './fake-vovserver.ts';
import {
  accountOf,
  createRandom,
  createRecordedReport,
  createSwitchedKeyValue,
  type RecordedReport,
  SEALING_KEY,
  type SwitchedKeyValue,
  testConfig,
} from './replicas.ts';

export const VERSION_KEY = new Secret('the key of the password versions');

export type CredentialEvent = Parameters<Report['credential']>[0];

export interface EnrolReplica {
  readonly broker: BrokerHandle;
  readonly enrolments: EnrolmentsHandle;
  readonly kv: SwitchedKeyValue;
  readonly report: RecordedReport;
  readonly events: CredentialEvent[];
}

export interface EnrolOptions {
  readonly replicas?: number;
  readonly credentials?: object[];
  readonly broker?: object;
}

export type EnrolWorld = ReturnType<typeof createEnrolWorld>;

/** Replicas that share one store and one vovserver, whose only credential source is what people enrol. */
export function createEnrolWorld({ replicas: count = 1, credentials, broker }: EnrolOptions = {}) {
  const clock = createManualClock();
  const store: KeyValue = createMemoryKeyValue({ clock });
  const vovserver = createFakeVovserver(clock);
  const world = {
    config: testConfig(broker, credentials ?? [{ type: 'enrolled' }]),
    sealing: { current: SEALING_KEY },
  };
  const config = () => world.config;

  const start = (index: number, sealing: { current: Secret; previous?: Secret } = world.sealing): EnrolReplica => {
    const kv = createSwitchedKeyValue(store);
    const events: CredentialEvent[] = [];
    const recorded = createRecordedReport();
    const report = {
      ...recorded,
      credential(event: CredentialEvent) {
        events.push(event);
        recorded.all.push(JSON.stringify(event));
      },
    };
    const sealer = createSealer(sealing);
    const passwords = createEnrolledPasswords({ kv, sealer, clock, report, versionKey: VERSION_KEY });
    const sources = createSources({
      config: () => world.config.credentials,
      clock,
      report,
      versionKey: VERSION_KEY,
      enrolled: passwords,
    });
    const leases = createLeases(kv, { clock, ownerId: `r${index}` });
    const random = createRandom(index + 1);
    const parts = { config, kv, leases, sealer, upstream: vovserver, sources, report, clock, random };
    const handle = createBroker(parts);
    const enrolments = createEnrolments({ passwords, broker: handle, config, report, versionKey: VERSION_KEY });
    return { broker: handle, enrolments, kv, report, events };
  };

  const replicas = Array.from({ length: count }, (_, index) => start(index));
  const [first] = replicas;
  if (first === undefined) throw new RangeError('a world needs a replica');
  return Object.assign(world, {
    clock,
    store,
    vovserver,
    replicas,
    first,
    start: (index: number, sealing?: { current: Secret; previous?: Secret }): EnrolReplica => {
      const replica = start(index, sealing);
      replicas.push(replica);
      return replica;
    },
    enrol: (replica: EnrolReplica, name: string, password: string, queue = 'main') =>
      replica.enrolments.enrol(accountOf(name, queue), new Secret(password)),
    get: async (replica: EnrolReplica, name: string, queue = 'main'): Promise<UpstreamToken> =>
      await replica.broker.credentialFor(accountOf(name, queue)).get(),
    stateOf: (replica: EnrolReplica, name: string, queue = 'main') => replica.broker.stateOf(accountOf(name, queue)),
    async [Symbol.asyncDispose]() {
      for (const { broker: each } of replicas) await each[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  });
}
