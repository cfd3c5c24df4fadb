import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signAccessToken } from './access-token.ts';
import { type Exchange, readExchange, sendOn, sendPage } from './exchange.ts';
import { createKeyRing, type KeyRing } from './keys.ts';
import { createLogins, type Logins } from './logins.ts';
import { createOidc, type Oidc } from './oidc.ts';
import { errorPage, homePage, loginPage, logoutPage, signedOutPage } from './pages.ts';
import { PEOPLE, type Person } from './people.ts';
import { type Faults, type Idp, type IdpOptions, NO_FAULTS } from './ports.ts';
import { CLIENT_ID, CLIENT_SECRET, createRegistrations, type Registrations } from './registrations.ts';
import { createSaml, type Saml } from './saml.ts';

interface Parts {
  readonly people: readonly Person[];
  readonly faults: Faults;
  readonly logins: Logins;
  readonly oidc: Oidc;
  readonly saml: Saml;
}

/** Only a path of this server. */
const pathOnly = (text: string | null): string => (text !== null && /^\/(?![/\\])/.test(text) ? text : '/');

function takeLogin(parts: Parts, { form, response }: Exchange): void {
  const onward = pathOnly(form.get('onward'));
  const name = (form.get('person') ?? '').trim();
  const person = parts.people.find((one) => one.name === name);
  if (person === undefined) {
    sendPage(response, loginPage(parts.people, onward, `Nobody here is called ${name}.`), 400);
    return;
  }
  parts.logins.start(response, person, onward);
  sendOn(response, onward);
}

async function signOutEverywhere(parts: Parts, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const failed = await parts.oidc.logout(request, response);
  const login = parts.logins.of(request);
  if (login !== null) parts.logins.end(login, response);
  if (failed.length > 0) return sendPage(response, signedOutPage(failed));
  return sendOn(response, parts.saml.logoutChain(login?.participants ?? [], '/saml/signed-out'));
}

/** The pages that belong to neither protocol; false when it is none of them. */
async function handleOwn(parts: Parts, exchange: Exchange): Promise<boolean> {
  const { request, response, path, query } = exchange;
  const call = `${request.method} ${path}`;
  if (call === 'GET /') sendPage(response, homePage(parts.logins.of(request)?.person ?? null));
  else if (call === 'GET /login') sendPage(response, loginPage(parts.people, pathOnly(query.get('onward'))));
  else if (call === 'POST /login') takeLogin(parts, exchange);
  else if (call === 'GET /logout') sendPage(response, logoutPage());
  else if (call === 'POST /logout') await signOutEverywhere(parts, exchange);
  else if (path.startsWith('/interaction/')) {
    const elsewhere = await parts.oidc.interact(request, response, path);
    if (elsewhere !== null) sendOn(response, elsewhere);
  } else return false;
  return true;
}

const OWN = /^\/(?:$|\?|login|logout|interaction\/|saml\/)/;

async function handle(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { faults } = parts;
  if (faults.down) return void request.socket.destroy();
  if (faults.refuse?.test(request.url ?? '')) return void response.writeHead(503).end();
  if (!OWN.test(request.url ?? '')) return void parts.oidc.handle(request, response);
  try {
    const exchange = await readExchange(request, response);
    if ((await handleOwn(parts, exchange)) || (await parts.saml.handle(exchange))) return;
    sendPage(response, errorPage('Not found', 'Nothing is here.'), 404);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (!response.headersSent) sendPage(response, errorPage('That did not work', text), 400);
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Addresses to listen on that are none to go to. */
const EVERY_ADDRESS = new Set(['0.0.0.0', '::']);

/** What may be turned while it runs. */
interface Knobs {
  clockOffset: number;
  encrypt: boolean;
}

interface Halves {
  readonly url: string;
  readonly people: readonly Person[];
  readonly faults: Faults;
  readonly keys: KeyRing;
  readonly registrations: Registrations;
  readonly knobs: Knobs;
  readonly accessTokenAudience: string | null;
}

/** Both protocols over one set of logins, each ending the other's sessions. */
function joinHalves(halves: Halves): Parts {
  const { url, people, faults, keys, registrations, knobs } = halves;
  const logins = createLogins();
  const saml = createSaml({
    url,
    keys,
    logins,
    faults,
    encrypt: () => knobs.encrypt,
    now: () => Date.now() + knobs.clockOffset,
    metadataUrls: registrations.samlMetadataUrls,
    endElsewhere: async ({ request, response }, login) => {
      await oidc.logout(request, response);
      logins.end(login, response);
    },
  });
  const oidc = createOidc({
    issuer: url,
    people,
    keys,
    logins,
    faults,
    accessTokenAudience: halves.accessTokenAudience,
    client: registrations.client,
    afterLogout(request, response, onward) {
      const login = logins.of(request);
      if (login === null) return null;
      logins.end(login, response);
      return login.participants.length === 0 ? null : saml.logoutChain(login.participants, onward);
    },
  });
  return { people, faults, logins, oidc, saml };
}

const findPerson = (people: readonly Person[], name: string): Person => {
  const person = people.find((one) => one.name === name);
  if (person === undefined) throw new RangeError(`nobody is called ${name}`);
  return person;
};

/** Starts the demo identity provider: OpenID Connect and SAML over one login, on plain HTTP. */
export async function createIdp(options: IdpOptions = {}): Promise<Idp> {
  const host = options.host ?? '127.0.0.1';
  const people = options.people ?? PEOPLE;
  const faults: Faults = { ...NO_FAULTS, ...options.faults };
  const accessTokenAudience = options.accessTokenAudience ?? null;
  const knobs: Knobs = { clockOffset: options.clockOffset ?? 0, encrypt: options.encrypt ?? false };
  const keys = await createKeyRing();
  const registrations = createRegistrations(options);
  const server = createServer();
  const port = await listen(server, host, options.port ?? 0);
  const url = options.url ?? `http://${EVERY_ADDRESS.has(host) ? 'localhost' : host}:${port}`;
  const parts = joinHalves({ url, people, faults, keys, registrations, knobs, accessTokenAudience });
  const { oidc, saml } = parts;
  server.on('request', (request, response) => void handle(parts, request, response));
  return {
    url,
    port,
    issuer: url,
    samlMetadataUrl: `${url}/saml/metadata`,
    metadataCertPem: keys.metadata.certPem,
    entityId: saml.entityId,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    people,
    faults,
    knobs,
    register(publicUrl) {
      registrations.add(publicUrl);
      oidc.renew();
    },
    async rotateKeys(step) {
      await keys.rotate(step);
      oidc.renew();
    },
    accessToken(name, wanted = {}) {
      const audience = wanted.audience ?? accessTokenAudience ?? 'vov-gateway';
      const now = Date.now() + knobs.clockOffset;
      return signAccessToken(url, keys.signing, findPerson(people, name), now, { ...wanted, audience });
    },
    opaqueToken: (name, wanted = {}) => oidc.opaqueToken(findPerson(people, name), wanted),
    signingKey: () => keys.signing,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
