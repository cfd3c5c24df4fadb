import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import {
  createFlows,
  createSamlProvider,
  createUsedOnce,
  type Provider,
  type SamlProviderOptions,
} from '../../src/auth/index.ts';
import { createVerifier } from '../../src/auth/saml/verifier.ts';
import type { SamlConfig } from '../../src/config/index.ts';
import { GatewayError, systemClock, type WebRequest } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createSealer } from '../../src/platform/index.ts';
import { createSigningKey, type SigningKey } from '../../standin/idp/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type WatchedStore, watch } from './auth-world.ts';
import { base64, metadataXml, type ResponseShape, responseXml, shapeOf } from './saml-idp.ts';
import { newKey, sessionsConfig, webRequest } from './sessions-world.ts';

export const GATEWAY = 'https://gateway.example';
export const ACS = `${GATEWAY}/saml/corp/acs`;
export const SLO = `${GATEWAY}/saml/corp/slo`;
export const SP = `${GATEWAY}/saml/corp/metadata`;

/** Starting its thread costs more than a test. */
const verifier = createVerifier(systemClock);

/** Keys cost a second each, so that tests share them. */
export const KEYS = {
  idp: await createSigningKey('idp'),
  nextIdp: await createSigningKey('next idp'),
  sp: await createSigningKey('sp'),
  previousSp: await createSigningKey('previous sp'),
  stranger: await createSigningKey('stranger'),
};

export const CONFIG = {
  type: 'saml' as const,
  name: 'corp',
  clockSkew: 60_000,
  metadataRefresh: 3_600_000,
  binding: 'redirect' as const,
  authnContext: [],
  forceAuthn: false,
  allowIdpInitiated: false,
  requireEncryption: false,
  subject: 'NameID',
  user: { attribute: 'NameID', pattern: '(.+)', template: '$1' },
  groups: { pattern: '(.+)', template: '$1' },
  allowGroups: [],
};

/** A sign-in that a browser began. */
export interface Begun {
  readonly state: string;
  readonly cookie: string;
  readonly requestId: string;
  /** The request as it went to the provider. */
  readonly xml: string;
  readonly location: string;
}

/** Replicas of one provider on one store, with the keys of both sides in files. */
export interface SamlWorld extends AsyncDisposable {
  readonly clock: ReturnType<typeof createManualClock>;
  readonly store: WatchedStore;
  readonly folder: string;
  readonly metadataFile: string;
  readonly logged: string[];
  readonly ready: boolean[];
  file(name: string, text: string): Promise<string>;
  replica(changes?: Partial<SamlConfig>, parts?: Partial<SamlProviderOptions>): Provider;
  begin(provider: Provider, returnTo?: string): Promise<Begun>;
  /** The response to a sign-in, base64. */
  respond(begun: Begun | null, changes?: Partial<ResponseShape>): string;
  finish(provider: Provider, begun: Begun | null, response: string): ReturnType<Provider['finish']>;
}

function loggedReport(logged: string[], ready: boolean[]): SamlProviderOptions['report'] {
  const write = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: write, info: write, warn: write, error: write };
  const report = { log, providerReady: (_name: string, now: boolean) => void ready.push(now) };
  return report as unknown as SamlProviderOptions['report'];
}

async function writeKeys(folder: string): Promise<Pick<SamlConfig, 'keyFile' | 'certFile'>> {
  const put = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const write = (name: string, { keyPem, certPem }: SigningKey) =>
    Promise.all([put(`${name}.key`, keyPem), put(`${name}.crt`, certPem)]);
  await write('previous', KEYS.previousSp);
  const [keyFile, certFile] = await write('sp', KEYS.sp);
  return { keyFile, certFile };
}

export async function createSamlWorld(): Promise<SamlWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-saml-'));
  const clock = createManualClock();
  const store = watch(createMemoryKeyValue({ clock }));
  const flows = createFlows({ kv: store, sealer: createSealer({ current: newKey() }), config: sessionsConfig, clock });
  const usedOnce = createUsedOnce({ kv: store, hashKey: newKey() });
  const files = await writeKeys(folder);
  const metadataFile = join(folder, 'idp.xml');
  await writeFile(metadataFile, metadataXml({ keys: [KEYS.idp] }));
  const logged: string[] = [];
  const ready: boolean[] = [];
  const report = loggedReport(logged, ready);
  const providers: Provider[] = [];
  const world: SamlWorld = {
    clock,
    store,
    folder,
    metadataFile,
    logged,
    ready,
    async file(name, text) {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    },
    replica(changes = {}, parts = {}) {
      const config = { ...CONFIG, ...files, metadataFile, ...changes } as SamlConfig;
      const provider = createSamlProvider({
        config,
        publicUrl: GATEWAY,
        flows,
        usedOnce,
        clock,
        report,
        verifier,
        ...parts,
      });
      providers.push(provider);
      return provider;
    },
    async begin(provider, returnTo = '/ui/tokens') {
      const away = await provider.begin(webRequest(), returnTo);
      const { state, cookie } = away.flow;
      const location = away.kind === 'redirect' ? away.location : away.action;
      const xml =
        away.kind === 'redirect'
          ? inflated(new URL(away.location).searchParams.get('SAMLRequest') ?? '')
          : Buffer.from(away.fields.SAMLRequest ?? '', 'base64').toString();
      return { state, cookie, xml, location, requestId: / ID="([^"]+)"/.exec(xml)?.[1] ?? '' };
    },
    respond: (begun, changes = {}) =>
      base64(
        responseXml({
          ...shapeOf({
            acs: ACS,
            audience: SP,
            inResponseTo: begun?.requestId ?? null,
            now: clock.now(),
            key: KEYS.idp,
          }),
          ...changes,
        }),
      ),
    finish: (provider, begun, response) => provider.finish(posted(response, begun)),
    async [Symbol.asyncDispose]() {
      for (const provider of providers) await provider[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

/** The browser's POST to the assertion consumer service. */
export function posted(response: string, begun: Pick<Begun, 'state' | 'cookie'> | null): WebRequest {
  const form = new URLSearchParams({ SAMLResponse: response, ...(begun !== null && { RelayState: begun.state }) });
  return webRequest({ method: 'POST', form, ...(begun !== null && { flow: begun.cookie }) });
}

/** A GET with this query, octet for octet. */
export function queried(query: string): WebRequest {
  const raw = new IncomingMessage(new Socket());
  raw.url = `/saml/corp/slo?${query}`;
  return webRequest({ query: new URLSearchParams(query), raw });
}

/** For `assert.rejects`: the one refusal, with this reason in the log. */
export const failsWith =
  (reason: string | RegExp) =>
  (error: unknown): boolean => {
    if (!(error instanceof GatewayError) || error.code !== 'GW_SIGN_IN_FAILED') return false;
    const internal = error.internal ?? '';
    const fits = typeof reason === 'string' ? internal === reason : reason.test(internal);
    if (!fits) throw new Error(`the reason is: ${internal}`, { cause: error });
    return true;
  };

/** Inflates the value of a redirect-binding message. */
export const inflated = (value: string): string => inflateRawSync(Buffer.from(value, 'base64')).toString();
