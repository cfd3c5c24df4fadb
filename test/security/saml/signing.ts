import { createHmac, createSign } from 'node:crypto';
import { createSigningKey, type SigningKey } from '../../../standin/idp/index.ts';
import { SamlLib } from '../../../standin/idp/samlify.ts';
import { assertionOf, signatureOf, unsigned } from './forgery.ts';
import type { Stage, StageIdp } from './genuine.ts';

const DS = 'http://www.w3.org/2000/09/xmldsig#';

/** SignedInfo in exclusive canonical form, as far as the signatures here need it: no empty tags, the prefix declared. */
const canonical = (signedInfo: string): string =>
  signedInfo
    .replace('<ds:SignedInfo>', `<ds:SignedInfo xmlns:ds="${DS}">`)
    .replace(/<(ds:\w+)([^>]*)\/>/g, '<$1$2></$1>');

const signedInfoOf = (signature: string): string => /<ds:SignedInfo>.*?<\/ds:SignedInfo>/s.exec(signature)?.[0] ?? '';

/** Changes SignedInfo of the response's signature and makes its value anew by `sign`. */
export function resignInfo(xml: string, change: (info: string) => string, sign: (octets: string) => string): string {
  const signature = signatureOf(xml);
  const info = change(signedInfoOf(signature));
  const changed = signature
    .replace(signedInfoOf(signature), info)
    .replace(/(<ds:SignatureValue>)[^<]*/, `$1${sign(canonical(info))}`);
  return xml.replace(signature, changed);
}

/** By the provider's own key: what is wrong is not the key. */
export const byProvider =
  (stage: Pick<Stage<StageIdp>, 'idp'>, hash = 'sha256') =>
  (octets: string): string =>
    createSign(hash).update(octets).sign(stage.idp.signingKey().keyPem, 'base64');

/** HMAC whose secret is the public certificate. */
export const byHmac =
  (stage: Pick<Stage<StageIdp>, 'idp'>, hash: string) =>
  (octets: string): string =>
    createHmac(hash, stage.idp.signingKey().certPem).update(octets).digest('base64');

const RESPONSE = "/*[local-name(.)='Response']";
const ASSERTION = `${RESPONSE}/*[local-name(.)='Assertion']`;

/** How a whole document is signed anew. */
export interface SigningWay {
  readonly key: Pick<SigningKey, 'keyPem' | 'certPem'>;
  readonly algorithm?: string;
  readonly transforms?: readonly string[];
}

const bodyOf = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '');

function sign(xml: string, path: string, { key, algorithm, transforms }: SigningWay): string {
  return SamlLib.constructSAMLSignature({
    rawSamlMessage: xml,
    referenceTagXPath: path,
    privateKey: key.keyPem,
    signingCert: bodyOf(key.certPem),
    signatureAlgorithm: algorithm ?? 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    isBase64Output: false,
    ...(transforms === undefined ? {} : { transformationAlgorithms: transforms }),
    signatureConfig: { prefix: 'ds', location: { reference: `${path}/*[local-name(.)='Issuer']`, action: 'after' } },
  });
}

/** Takes both signatures away and makes them in another way. */
export function signAnew(xml: string, way: SigningWay): string {
  const bare = unsigned(xml);
  const assertion = assertionOf(bare);
  return sign(sign(bare.replace(assertion, unsigned(assertion)), ASSERTION, way), RESPONSE, way);
}

/** A key of the attacker's own, with a certificate that says what the provider's says. */
export const attackersKey = (): Promise<SigningKey> => createSigningKey();
