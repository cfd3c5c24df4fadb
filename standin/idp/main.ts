import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/kernel/index.ts';
import { createIdp } from './index.ts';

const HELP = `Usage: node standin/idp/main.ts [options]

A demo identity provider with OpenID Connect and SAML and three people: alice, bob, carol. It asks for no password.

  --host ADDRESS    listen on this address (127.0.0.1)
  --port N          port (6280; 0 for a free one)
  --url URL         how browsers and the gateway reach it (http://<host>:<port>; localhost for 0.0.0.0)
  --gateway URL     public URL of a gateway that may use it; may be repeated
  --reach URL       how this process reaches the gateway, when that differs
  --oidc NAME       name of the OIDC provider in the gateway's configuration (oidc); may be repeated
  --saml NAME       name of the SAML provider in the gateway's configuration (saml); may be repeated
  --cert-out FILE   write the certificate of the metadata's signature there (metadataCertFile of the gateway)
  --encrypt         encrypt SAML assertions
`;

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '6280' },
  url: { type: 'string' },
  gateway: { type: 'string', multiple: true },
  reach: { type: 'string' },
  oidc: { type: 'string', multiple: true },
  saml: { type: 'string', multiple: true },
  'cert-out': { type: 'string' },
  encrypt: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const readPort = (text: string): number => {
  if (/^\d+$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new RangeError(`--port ${text}: must be a port number`);
};

const readUrl = (name: string, text: string): string => {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RangeError(`--${name} ${text}: must be an http(s) URL`);
  return text.replace(/\/$/, '');
};

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) return void process.stdout.write(HELP);
  const { reach } = values;
  const idp = await createIdp({
    host: values.host,
    port: readPort(values.port),
    gateways: (values.gateway ?? []).map((url) => readUrl('gateway', url)),
    oidcNames: values.oidc ?? ['oidc'],
    samlNames: values.saml ?? ['saml'],
    encrypt: values.encrypt,
    ...(values.url === undefined ? {} : { url: readUrl('url', values.url) }),
    ...(reach === undefined ? {} : { reach: () => readUrl('reach', reach) }),
  });
  if (values['cert-out'] !== undefined) writeFileSync(values['cert-out'], idp.metadataCertPem);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void idp[Symbol.asyncDispose]());
  console.log(`issuer ${idp.issuer}\nsaml ${idp.samlMetadataUrl}\nclient ${idp.clientId} ${idp.clientSecret}`);
}

main().catch((error: unknown) => {
  console.error(`idp: ${messageOf(error)}`);
  process.exitCode = 1;
});
