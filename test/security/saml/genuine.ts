import { createIdp, type Idp, type IdpOptions } from '../../../standin/idp/index.ts';
import { type Browser, createBrowser, type Page } from '../../world/browser.ts';
import { createSamlGateway, type SamlGateway, type SamlGatewayOptions } from './saml-gateway.ts';

/** A response that the identity provider really made, on its way to the gateway. */
export interface Genuine {
  readonly xml: string;
  readonly relayState: string;
  readonly acs: string;
  readonly browser: Browser;
}

/** A gateway and a demo identity provider, and the road between them cut just before the gateway. */
export interface Stage extends AsyncDisposable {
  readonly idp: Idp;
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

/** Boots both. */
export async function createStage(
  options: { readonly idp?: IdpOptions; readonly gateway?: Partial<SamlGatewayOptions> } = {},
): Promise<Stage> {
  const idp = await createIdp(options.idp);
  const gateway = await createSamlGateway({ metadataUrl: idp.samlMetadataUrl, ...options.gateway });
  idp.register(gateway.url);
  // One browser at the provider for each person: what is tried here is the way back, not the login.
  const known = new Map<string, Browser>();
  const arrive = async (browser: Browser, person: string, url: string): Promise<Page> => {
    const page = await browser.open(url);
    return page.forms.some((form) => 'person' in form.choices) ? browser.submit(page, { person }) : page;
  };
  return {
    idp,
    gateway,
    async genuine(person = 'alice', returnTo = '/ui/') {
      const browser = known.get(person) ?? createBrowser();
      known.set(person, browser);
      for (const name of browser.cookies(gateway.url).keys()) browser.setCookie(gateway.url, name, '');
      const url = `${gateway.url}/saml/saml/login?return=${encodeURIComponent(returnTo)}`;
      const page = await arrive(browser, person, url);
      const form = page.forms[0];
      if (form?.fields.SAMLResponse === undefined) throw new Error(`no response at ${page.url}: ${page.body}`);
      const xml = Buffer.from(form.fields.SAMLResponse, 'base64').toString();
      return { xml, relayState: form.fields.RelayState ?? '', acs: form.action, browser };
    },
    deliver({ browser, acs, relayState, xml: own }, xml = own, fields = {}) {
      const form = { SAMLResponse: encode(xml), RelayState: relayState, ...fields };
      return browser.open(acs, { form, from: `${idp.url}/saml/continue`, follow: false });
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await idp[Symbol.asyncDispose]();
    },
  };
}
