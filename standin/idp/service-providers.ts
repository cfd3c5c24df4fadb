import { type Entity, ServiceProvider } from './samlify.ts';

/** A gateway as the SAML side knows it. */
export interface KnownProvider {
  readonly entityId: string;
  readonly acs: string;
  /** Single logout by redirect binding; null: it has none. */
  readonly slo: string | null;
  /** Base64 of DER. */
  readonly certificates: readonly string[];
  readonly entity: Entity;
}

/** Service providers, learned from their metadata when they first appear and when something does not fit. */
export interface ServiceProviders {
  find(entityId: string): KnownProvider | null;
  /** Reads all metadata again, then finds. */
  learn(entityId: string): Promise<KnownProvider | null>;
}

const single = (value: unknown): string | null => {
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first : null;
};

function read(metadata: string): KnownProvider {
  const entity = ServiceProvider({ metadata });
  const meta = entity.entityMeta;
  const certificates = [meta.getX509Certificate('signing') ?? []].flat();
  const acs = single(meta.getAssertionConsumerService('post'));
  if (acs === null) throw new Error('the metadata of the service provider has no assertion consumer by POST');
  return {
    entityId: meta.getEntityID(),
    acs,
    slo: single(meta.getSingleLogoutService('redirect')),
    certificates,
    entity,
  };
}

/** Knows whoever publishes metadata at one of these URLs. */
export function createServiceProviders(metadataUrls: () => readonly string[]): ServiceProviders {
  const known = new Map<string, KnownProvider>();
  const load = async (url: string): Promise<void> => {
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(5000) });
    if (!answer.ok) return;
    const provider = read(await answer.text());
    known.set(provider.entityId, provider);
  };
  return {
    find: (entityId) => known.get(entityId) ?? null,
    async learn(entityId) {
      await Promise.allSettled(metadataUrls().map(load));
      return known.get(entityId) ?? null;
    },
  };
}
