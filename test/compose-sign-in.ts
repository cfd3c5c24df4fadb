// Signs a person in at a running gateway with the demo identity provider, makes an access token and calls the API with it:
//   node test/compose-sign-in.ts URL oidc|saml PERSON
// Prints the user name that the gateway knows and the status of the call.

import { readFileSync } from 'node:fs';
import { Agent, fetch, setGlobalDispatcher } from 'undici';
import { signInAs } from './world/browser.ts';

const [, , url = '', way = '', person = ''] = process.argv;
const caFile = process.env.NODE_EXTRA_CA_CERTS;
if (caFile !== undefined) setGlobalDispatcher(new Agent({ connect: { ca: readFileSync(caFile) } }));
const { browser, page } = await signInAs(url, `${way}/${way}`, person);
if (page.status !== 200)
  throw new Error(`sign-in ended at ${page.url} with ${page.status}: ${page.body.slice(0, 400)}`);
const tokens = await browser.open(`${url}/ui/tokens`);
const fields = { label: `compose by ${way}`, scopes: 'read', life: '86400000' };
const made = await browser.submit(tokens, fields, { form: (form) => form.blanks.includes('label') });
const token = /vgw_\w+/.exec(made.body)?.[0] ?? '';
const headers = { authorization: `Bearer ${token}` };
const me = (await (await fetch(`${url}/gateway/v1/me`, { headers })).json()) as { user: string };
const call = await fetch(`${url}/api/v3/project/1/project`, { headers });
console.log(me.user, call.status);
