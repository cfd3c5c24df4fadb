import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigningKey } from '../../../standin/idp/index.ts';
import { freePort } from '../../world/redis-process.ts';
import { createWorld, type World } from '../../world/world.ts';

type Section = Readonly<Record<string, unknown>>;

/** What the gateway must know of the identity provider. */
export interface SamlGatewayOptions {
  readonly metadataUrl: string;
  /** Over the defaults of the provider's entry. */
  readonly provider?: Section;
  /** Over the configuration. */
  readonly config?: Section;
  readonly redisPort?: number;
  /** Entries of further SAML providers, over the same defaults. */
  readonly others?: readonly Section[];
  /** Entries of OIDC providers. */
  readonly oidc?: readonly Section[];
}

/** A gateway whose first provider is called `saml`. */
export interface SamlGateway extends AsyncDisposable {
  readonly world: World;
  /** Public URL. */
  readonly url: string;
  /** A further replica with the same keys and public URL; it needs `redisPort`. */
  join(): Promise<World>;
  /** Reasons of refused sign-ins in the log of a replica, newest last. */
  refusals(world?: World): string[];
}

const MANY = { requests: 1_000_000, window: '5m' };

const secretText = (letter: string): string => Buffer.from(letter.repeat(32)).toString('base64');

/** The reasons of this event in a log. */
export function reasonsOf(world: World, event: string): string[] {
  const lines = world.log.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return lines.filter((line) => line['event.action'] === event).map((line) => String(line['event.reason']));
}

/** Boots a gateway for SAML sign-in. */
export async function createSamlGateway(options: SamlGatewayOptions): Promise<SamlGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-saml-'));
  const [keyFile, certFile] = [join(folder, 'saml.key'), join(folder, 'saml.pem')];
  const { keyPem, certPem } = await createSigningKey('gateway');
  await writeFile(keyFile, keyPem, { mode: 0o600 });
  await writeFile(certFile, certPem);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const defaults = {
    type: 'saml',
    keyFile,
    certFile,
    user: { attribute: 'uid' },
    groups: { attribute: 'groups' },
  };
  const first = { ...defaults, name: 'saml', metadataUrl: options.metadataUrl, ...options.provider };
  const saml = [first, ...(options.others ?? []).map((other) => ({ ...defaults, ...other }))];
  const providers = [...saml, ...(options.oidc ?? [])];
  const { redisPort } = options;
  const boot = (at: number): Promise<World> =>
    createWorld({
      ...(redisPort === undefined ? {} : { redisPort }),
      config: {
        ...(redisPort === undefined ? {} : { replicas: 2 }),
        server: { port: at, publicUrl: url },
        secrets: { tokenKey: secretText('t'), sealingKey: secretText('s') },
        limits: { attempts: MANY, attemptsPerAddress: MANY, address: MANY, identity: { all: MANY } },
        signIn: { providers },
        ...options.config,
      },
    });
  const world = await boot(port);
  const others: World[] = [];
  return {
    world,
    url,
    async join() {
      const other = await boot(0);
      others.push(other);
      return other;
    },
    refusals: (of = world) => reasonsOf(of, 'sign_in').filter((reason) => reason !== 'saml: ok'),
    async [Symbol.asyncDispose]() {
      for (const other of others) await other[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
