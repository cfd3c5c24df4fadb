import { deflateRawSync } from 'node:zlib';
import type { Idp } from '../../standin/idp/index.ts';

/** A request that is to cost as much as it can. */
export interface Costly {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
/** Largest form of the portal and of OAuth, and of a callback, octets. */
const SMALL = 65_000;
const LARGE = 524_000;

const fill = (unit: string, room: number): string => unit.repeat(Math.floor(room / unit.length));
const part = (text: string): string => Buffer.from(text).toString('base64url');
const jwt = (header: string, payload: string): string => `${part(header)}.${part(payload)}.${fill('A', 342)}`;
const post = (name: string, path: string, body: string): Costly => ({
  name,
  method: 'POST',
  path,
  headers: FORM,
  body,
});
const redirected = (name: string, xml: string | Buffer): Costly => {
  const packed = encodeURIComponent(deflateRawSync(xml, { level: 9 }).toString('base64')).slice(0, 7800);
  return {
    name: `logout by redirect: ${name}`,
    method: 'GET',
    path: `/saml/saml/slo?SAMLRequest=${packed}&RelayState=x`,
  };
};
const posted = (name: string, xml: string): Costly =>
  post(
    `logout by POST: ${name}`,
    '/saml/saml/slo',
    `SAMLRequest=${encodeURIComponent(Buffer.from(xml).toString('base64'))}`,
  );

const REQUEST = '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="a" Version="2.0">';
const nested = (depth: number): string =>
  `${REQUEST}${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}</samlp:LogoutRequest>`;

/** Tokens of the provider that are as large as a header may be. */
async function bearers(idp: Idp, person: string): Promise<Costly[]> {
  const call = (name: string, token: string): Costly => ({
    name: `bearer: ${name}`,
    method: 'GET',
    path: '/gateway/v1/me',
    headers: { authorization: `Bearer ${token}` },
  });
  const values = (count: number, text: string): string[] => Array.from({ length: count }, (_, at) => `${text}${at}`);
  return [
    call('genuine, 7 KB of claims', await idp.accessToken(person, { claims: { filler: fill('x', 5000) } })),
    call('genuine, 500 groups', await idp.accessToken(person, { claims: { groups: values(500, 'g') } })),
    call(
      'of another key, 7 KB',
      `${(await idp.accessToken(person, { claims: { filler: fill('x', 5000) } })).slice(0, -8)}AAAAAAAA`,
    ),
    call('a header of nested arrays', jwt(fill('[', 5600), '{}')),
    call('no token at all, 15 KB', fill('x.', 15_000)),
  ];
}

/** Everything beside SAML responses. */
export async function costlyRequests(idp: Idp, person: string, cookie: string): Promise<readonly Costly[]> {
  const logout = '/oidc/oidc/backchannel-logout';
  const header = JSON.stringify({ alg: 'RS256', typ: 'logout+jwt', kid: idp.signingKey().kid });
  return [
    redirected('a bomb of 5 MB', Buffer.alloc(5_000_000)),
    redirected('17 000 levels deep', nested(17_000)),
    redirected('128 KB of comments', REQUEST + fill('<!---->', 125_000)),
    posted('17 000 levels deep', nested(17_000)),
    posted('15 000 siblings', REQUEST + fill('<a></a>', 125_000)),
    posted('an attribute of 100 KB', `${REQUEST.slice(0, -1)} b="${fill('x', 100_000)}"/>`),
    post(
      'back-channel logout: a payload of 380 KB',
      logout,
      `logout_token=${jwt(header, JSON.stringify({ filler: fill('x', 380_000) }))}`,
    ),
    post('back-channel logout: a payload of nested arrays', logout, `logout_token=${jwt(header, fill('[', 380_000))}`),
    post('back-channel logout: a header of nested arrays', logout, `logout_token=${jwt(fill('[', 380_000), '{}')}`),
    post('back-channel logout: 500 KB of dots', logout, `logout_token=${fill('.', LARGE - 100)}`),
    post('form of a callback: 500 KB of empty fields', '/saml/saml/acs', fill('a&', LARGE)),
    post('form of a callback: 170 000 percent signs', '/saml/saml/acs', `SAMLResponse=${fill('%41', LARGE - 100)}`),
    post('form of a callback: malformed percent signs', '/saml/saml/acs', `SAMLResponse=${fill('%', LARGE - 100)}`),
    post(
      'form of a callback: base64 with line ends throughout',
      '/saml/saml/acs',
      `SAMLResponse=${fill('A%0D%0A', LARGE - 100)}`,
    ),
    post('form of OAuth: empty fields', '/oauth/token', fill('a&', SMALL)),
    post(
      'form of OAuth: a device code of 64 KB',
      '/oauth/token',
      `grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=vovgw&device_code=${fill('x', SMALL - 200)}`,
    ),
    post(
      'the vendor’s token endpoint: a password of 64 KB',
      '/api/v3/token',
      `username=alice&password=${fill('x', SMALL - 200)}`,
    ),
    {
      ...post('portal: a label of 64 KB', '/ui/tokens', `label=${fill('%F0%9F%98%80', SMALL - 200)}`),
      headers: { ...FORM, cookie, origin: 'null' },
    },
    { name: 'cookies: 15 KB', method: 'GET', path: '/ui/', headers: { cookie: fill('a=b;', 15_000) } },
    {
      name: 'callback of OpenID Connect: 7 KB of parameters',
      method: 'GET',
      path: `/oidc/oidc/callback?state=x&code=${fill('x', 7000)}`,
    },
    { name: 'a return target of 7 KB in layers', method: 'GET', path: `/login?return=/${fill('%252f', 7000)}` },
    ...(await bearers(idp, person)),
  ];
}
