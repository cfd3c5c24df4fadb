import type { Check, CheckFinding } from './checks.ts';
import { type BearerDraft, MAPPING_CHECKS, type ProviderDraft, unknown, waysOf } from './checks-mapping.ts';
import { twice } from './checks-queue.ts';
import { isLoopback } from './checks-server.ts';
import type { Draft } from './draft.ts';

const LONGEST_SKEW_MS = 5 * 60_000;

type Saml = Extract<ProviderDraft, { type?: 'saml' | undefined }>;
type Oidc = Extract<ProviderDraft, { type?: 'oidc' | undefined }>;

const hasProviders = ({ signIn }: Draft): boolean => (signIn?.providers ?? []).length > 0;

const samlRule = (name: string, rule: (provider: Saml, path: string) => Iterable<CheckFinding>): Check => ({
  name,
  *run(draft) {
    for (const [path, way] of waysOf(draft)) if (way.type === 'saml') yield* rule(way, path);
  },
});

const oidcRule = (name: string, rule: (provider: Oidc, path: string) => Iterable<CheckFinding>): Check => ({
  name,
  *run(draft) {
    for (const [path, way] of waysOf(draft)) if (way.type === 'oidc') yield* rule(way, path);
  },
});

/** True for an http:// URL that leaves this machine. */
const isOpen = (text: string | undefined): boolean => {
  const url = text === undefined ? null : URL.parse(text);
  return url?.protocol === 'http:' && !isLoopback(url.hostname);
};

function* urlsOf(way: ProviderDraft | BearerDraft): Generator<readonly [key: string, url: string | undefined]> {
  if (way.type === 'oidc') yield ['issuer', way.issuer];
  if (way.type === 'jwt') yield* [['issuer', way.issuer] as const, ['jwksUrl', way.jwksUrl] as const];
  if (way.type === 'introspection') yield ['url', way.url];
}

function* publicUrlFaults({ server }: Draft, withPeople: boolean): Generator<CheckFinding> {
  const text = server?.publicUrl;
  const url = text === undefined ? null : URL.parse(text);
  const path = 'server.publicUrl';
  if (text === undefined || url === null) return;
  if (url.pathname !== '/' || /[?#]/.test(text) || url.username !== '' || url.password !== '') {
    const mend = 'Write scheme, host and port only, for example https://gateway.example.com:8443.';
    yield { path, reason: 'is more than the address of the gateway', mend };
  }
  if (withPeople && isOpen(text) && server?.allowInsecure === false) {
    yield {
      path,
      reason: 'is plain HTTP, so that sessions would cross the network in clear',
      mend: 'Use https://; or server.allowInsecure: true for a trial.',
    };
  }
}

function* issuerFaults({ issuer }: Oidc, path: string): Generator<CheckFinding> {
  const at = issuer?.indexOf('/.well-known/') ?? -1;
  if (issuer === undefined || at < 0) return;
  const reason = 'is the address of the discovery document, not of the provider';
  yield {
    path: `${path}.issuer`,
    reason,
    mend: `Write ${issuer.slice(0, at)}, as the document names it under issuer.`,
  };
}

function* clientAuthFaults({ clientAuth, clientSecret, clientKeyFile }: Oidc, path: string): Generator<CheckFinding> {
  if (clientAuth === undefined) return;
  const [at, bySecret] = [`${path}.clientSecret`, clientAuth.startsWith('client_secret')];
  const byKey = clientAuth === 'private_key_jwt';
  if (bySecret && clientSecret === undefined) {
    const mend = 'Give clientSecretFile; or clientAuth: private_key_jwt or none, as the provider has it.';
    yield { path: at, reason: `is missing, but clientAuth is ${clientAuth}`, mend };
  }
  if (!bySecret && clientSecret !== undefined) {
    yield { path: at, reason: `is never used, since clientAuth is ${clientAuth}`, mend: 'Remove one of the two.' };
  }
  if (byKey !== (clientKeyFile !== undefined)) {
    const reason = byKey ? 'is missing, but clientAuth is private_key_jwt' : `is never used with ${clientAuth}`;
    const mend = byKey ? 'Name the file of the private key, PEM.' : 'Remove it, or write clientAuth: private_key_jwt.';
    yield { path: `${path}.clientKeyFile`, reason, mend };
  }
}

const SAML_CHECKS: readonly Check[] = [
  samlRule('SAML metadata comes from one place', function* ({ metadataUrl, metadataFile }, path) {
    if ((metadataUrl === undefined) !== (metadataFile === undefined)) return;
    const [at, reason] =
      metadataUrl === undefined
        ? ['metadataUrl', 'is missing, and so is metadataFile']
        : ['metadataFile', 'stands beside metadataUrl'];
    yield { path: `${path}.${at}`, reason, mend: 'Give exactly one of metadataUrl and metadataFile.' };
  }),
  samlRule('SAML metadata over plain HTTP is signed', function* ({ metadataUrl, metadataCertFile }, path) {
    if (!isOpen(metadataUrl) || metadataCertFile !== undefined) return;
    yield {
      path: `${path}.metadataUrl`,
      reason: 'is plain HTTP: anybody on the path could give other keys',
      mend: 'Use https://, or give metadataCertFile, whose signature the metadata must carry.',
    };
  }),
  samlRule('a previous SAML key has its certificate', function* ({ previousKeyFile, previousCertFile }, path) {
    if ((previousKeyFile === undefined) === (previousCertFile === undefined)) return;
    const missing = previousKeyFile === undefined ? 'previousKeyFile' : 'previousCertFile';
    yield {
      path: `${path}.${missing}`,
      reason: 'is missing beside its twin',
      mend: 'Give both previousKeyFile and previousCertFile, or none.',
    };
  }),
  {
    name: 'SAML answers arrive with their cookie',
    *run(draft) {
      const saml = (draft.signIn?.providers ?? []).some((provider) => provider?.type === 'saml');
      if (!saml || !isOpen(draft.server?.publicUrl)) return;
      yield {
        path: 'server.publicUrl',
        reason: 'is plain HTTP: browsers send no cookie with the form that a SAML provider posts from another site',
        mend: 'Use https:// for sign-in with SAML.',
        level: 'warning',
      };
    },
  },
];

const OIDC_CHECKS: readonly Check[] = [
  oidcRule('an OIDC provider is named by its issuer', issuerFaults),
  oidcRule('an OIDC client proves itself in one way', clientAuthFaults),
  oidcRule('OIDC asks for openid', function* ({ scopes }, path) {
    if (scopes === undefined || scopes.includes(undefined) || scopes.includes('openid')) return;
    const mend = 'Add openid: without it a provider gives no ID token.';
    yield { path: `${path}.scopes`, reason: 'lacks openid', mend };
  }),
];

/** Rules of sign-in. */
export const SIGN_IN_CHECKS: readonly Check[] = [
  ...MAPPING_CHECKS,
  ...SAML_CHECKS,
  ...OIDC_CHECKS,
  {
    name: 'each way of signing in has its own name',
    *run(draft) {
      const names = [...waysOf(draft)].map(([path, { name }]): [string, string | undefined] => [`${path}.name`, name]);
      yield* twice(names, 'Give each provider and each of the bearers its own name.');
    },
  },
  {
    name: 'sign-in has a public URL',
    *run(draft) {
      if (!hasProviders(draft) || draft.server === undefined || draft.server.publicUrl !== undefined) return;
      yield {
        path: 'server.publicUrl',
        reason: 'is missing, but people sign in at signIn.providers, who must come back to it',
        mend: 'Write the URL that browsers use, for example https://gateway.example.com:8443.',
      };
    },
  },
  {
    name: 'the public URL is an address, and safe',
    *run(draft) {
      yield* publicUrlFaults(draft, hasProviders(draft));
    },
  },
  {
    name: 'the default provider exists',
    *run({ signIn }) {
      const names = (signIn?.providers ?? []).map((provider) => provider?.name);
      const name = signIn?.default;
      if (name === undefined || names.includes(undefined) || names.includes(name)) return;
      yield unknown(
        'signIn.default',
        'provider',
        name,
        names.flatMap((known) => known ?? []),
      );
    },
  },
  {
    name: 'clocks differ by minutes at most',
    *run(draft) {
      for (const [path, way] of waysOf(draft)) {
        if (!('clockSkew' in way) || way.clockSkew === undefined || way.clockSkew <= LONGEST_SKEW_MS) continue;
        const mend = 'Write at most 5m: for as long an answer that has ended is still believed.';
        yield { path: `${path}.clockSkew`, reason: 'is longer than 5m', mend };
      }
    },
  },
  {
    name: 'providers are asked over TLS',
    *run(draft) {
      for (const [path, way] of waysOf(draft)) {
        for (const [key, url] of urlsOf(way)) {
          if (!isOpen(url)) continue;
          const reason = 'is plain HTTP: anybody on the path could pose as the provider';
          yield { path: `${path}.${key}`, reason, mend: 'Use https://; http:// is for loopback addresses only.' };
        }
      }
    },
  },
  {
    name: 'scope names grant what such a token may',
    *run({ signIn }) {
      for (const [index, bearer] of (signIn?.bearers ?? []).entries()) {
        for (const [word, scope] of Object.entries(bearer?.scopeNames ?? {})) {
          if (scope === undefined || bearer?.scopes === undefined || bearer.scopes.includes(scope)) continue;
          const path = `signIn.bearers[${index}].scopeNames.${word}`;
          const mend = `Add ${scope} to its scopes, or remove this word.`;
          yield { path, reason: `grants ${scope}, which is not in scopes`, mend };
        }
      }
    },
  },
  {
    name: 'ID tokens are no bearer tokens',
    *run({ signIn }) {
      for (const [index, bearer] of (signIn?.bearers ?? []).entries()) {
        if (bearer?.type !== 'jwt' || bearer.tokenType !== 'any') continue;
        for (const provider of signIn?.providers ?? []) {
          if (provider?.type !== 'oidc' || provider.clientId === undefined || provider.issuer !== bearer.issuer)
            continue;
          const at = bearer.audience?.indexOf(provider.clientId) ?? -1;
          if (at < 0) continue;
          yield {
            path: `signIn.bearers[${index}].audience[${at}]`,
            reason: `is the client id of the provider ${provider.name ?? ''}, so that with tokenType any its ID tokens would pass as access tokens`,
            mend: 'Have the provider issue access tokens for an audience of their own, or write tokenType: at+jwt.',
          };
        }
      }
    },
  },
  {
    name: 'a session idles no longer than it lives',
    *run({ signIn }) {
      const { idle, life } = signIn?.session ?? {};
      if (idle === undefined || life === undefined || idle <= life) return;
      const mend = 'Make it shorter or signIn.session.life longer.';
      yield { path: 'signIn.session.idle', reason: 'is longer than signIn.session.life', mend };
    },
  },
  {
    name: 'tokens of vovgw login live within the maximum',
    *run({ signIn, accessTokens }) {
      const [life, longest] = [signIn?.device?.tokenLife, accessTokens?.maxLife];
      if (life === undefined || longest === undefined || life <= longest) return;
      const mend = 'Make it shorter or accessTokens.maxLife longer.';
      yield { path: 'signIn.device.tokenLife', reason: 'is longer than accessTokens.maxLife', mend };
    },
  },
  {
    name: 'who enrols a password can sign in',
    *run(draft) {
      if (draft.signIn === undefined || hasProviders(draft)) return;
      for (const [index, source] of (draft.credentials ?? []).entries()) {
        if (source?.type !== 'enrolled') continue;
        yield {
          path: `credentials[${index}]`,
          reason: 'takes passwords that people enrol after sign-in, but signIn.providers is empty',
          mend: 'Add a provider, or remove this source.',
          level: 'warning',
        };
      }
    },
  },
  {
    name: 'who reads the vendor’s pages can sign in',
    *run(draft) {
      if (draft.docs?.vendorPages !== true || draft.signIn === undefined || hasProviders(draft)) return;
      yield {
        path: 'docs.vendorPages',
        reason: 'is for signed-in people, but signIn.providers is empty',
        mend: 'Add a provider, or remove it.',
        level: 'warning',
      };
    },
  },
];
