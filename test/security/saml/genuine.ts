import { createIdp, type Idp, type IdpOptions } from '../../../standin/idp/index.ts';
import { type Browser, createBrowser, type Page } from '../../world/browser.ts';
import { createSimpleSamlPhp, readServiceProvider, type SimpleSamlPhp } from '../../world/simplesamlphp.ts';
import { createSamlGateway, type SamlGateway, type SamlGatewayOptions } from './saml-gateway.ts';

/** A response that the identity provider really made, on its way to the gateway. */
export interface Genuine {
  readonly xml: string;
  readonly relayState: string;
  readonly acs: string;
  readonly browser: Browser;
}

/** What attackers use of an identity provider. */
export type StageIdp = Pick<Idp, 'url' | 'entityId'> & {
  signingKey(): { readonly keyPem: string; readonly certPem: string };
};

/** A gateway and an identity provider, and the road between them cut just before the gateway. */
export interface Stage<P extends StageIdp = Idp> extends AsyncDisposable {
  readonly idp: P;
  readonly gateway: SamlGateway;
  /** A response for this person, who is signed in at the provider; the browser has not sent it yet. */
  genuine(person?: string, returnTo?: string): Promise<Genuine>;
  /** Sends a response, or another text in its place, as the browser would. */
  deliver(genuine: Genuine, xml?: string, fields?: Readonly<Record<string, string>>): Promise<Page>;
}

export const encode = (xml: string): string => Buffer.from(xml).toString('base64');

/** The session cookie that a browser got from the gateway; null: none. */
export const sessionOf = (stage: Pick<Stage, 'gateway'>, browser: Browser): string | null =>
  browser.cookies(stage.gateway.url).get('vovgw') ?? null;

/** How a person gets past the pages of a provider, from the page that asks who she is. */
type Answer = (browser: Browser, page: Page, person: string) => Promise<Page>;

/** The road from a provider to a gateway. */
export function openStage<P extends StageIdp>(
  idp: P,
  gateway: SamlGateway,
  answer: Answer,
): Omit<Stage<P>, keyof AsyncDisposable> {
  // One browser at the provider for each person: what is tried here is the way back, not the login.
  const known = new Map<string, Browser>();
  return {
    idp,
    gateway,
    async genuine(person = 'alice', returnTo = '/ui/') {
      const browser = known.get(person) ?? createBrowser();
      known.set(person, browser);
      for (const name of browser.cookies(gateway.url).keys()) browser.setCookie(gateway.url, name, '');
      const asks = await browser.open(`${gateway.url}/saml/saml/login?return=${encodeURIComponent(returnTo)}`);
      const page = asks.forms[0]?.fields.SAMLResponse === undefined ? await answer(browser, asks, person) : asks;
      const form = page.forms[0];
      if (form?.fields.SAMLResponse === undefined) throw new Error(`no response at ${page.url}: ${page.body}`);
      const xml = Buffer.from(form.fields.SAMLResponse, 'base64').toString();
      return { xml, relayState: form.fields.RelayState ?? '', acs: form.action, browser };
    },
    deliver({ browser, acs, relayState, xml: own }, xml = own, fields = {}) {
      const form = { SAMLResponse: encode(xml), RelayState: relayState, ...fields };
      return browser.open(acs, { form, from: `${idp.url}/`, follow: false });
    },
  };
}

/** Boots a gateway and a demo identity provider. */
export async function createStage(
  options: { readonly idp?: IdpOptions; readonly gateway?: Partial<SamlGatewayOptions> } = {},
): Promise<Stage> {
  const idp = await createIdp(options.idp);
  const gateway = await createSamlGateway({ metadataUrl: idp.samlMetadataUrl, ...options.gateway });
  idp.register(gateway.url);
  return {
    ...openStage(idp, gateway, (browser, page, person) => browser.submit(page, { person })),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await idp[Symbol.asyncDispose]();
    },
  };
}

/** Boots a gateway and SimpleSAMLphp. */
export async function createPhpStage(): Promise<Stage<SimpleSamlPhp>> {
  const php = await createSimpleSamlPhp();
  const gateway = await createSamlGateway({ metadataUrl: php.metadataUrl });
  const metadata = await (await fetch(`${gateway.url}/saml/saml/metadata`)).text();
  await php.change({ serviceProviders: [readServiceProvider(metadata)] });
  const form = (one: { readonly blanks: readonly string[] }): boolean => one.blanks.includes('username');
  return {
    ...openStage(php, gateway, (browser, page, person) =>
      browser.submit(page, { username: person, password: `pw-${person}` }, { form }),
    ),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await php[Symbol.asyncDispose]();
    },
  };
}
