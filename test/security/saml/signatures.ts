import type { Attack } from './attack.ts';
import { ALICE, assertionOf, CAROL, signatureOf, unsigned, withOuter } from './forgery.ts';
import { attackersKey, byHmac, byProvider, resignInfo, signAnew } from './signing.ts';

const SHA1 = 'http://www.w3.org/2000/09/xmldsig#sha1';
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
const RSA_SHA1 = 'http://www.w3.org/2000/09/xmldsig#rsa-sha1';
const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';

const inAssertion = (xml: string, change: (assertion: string) => string): string =>
  xml.replace(assertionOf(xml), change(assertionOf(xml)));

/** Signatures that are missing or stand elsewhere. */
export const stripped: readonly Attack[] = [
  { name: 'both signatures taken away', forge: (xml) => unsigned(unsigned(xml)), reason: /Response is not signed$/ },
  {
    name: 'the signature of the response taken away',
    forge: (xml) => xml.replace(signatureOf(xml), ''),
    reason: /Response is not signed$/,
  },
  {
    name: 'the signature of the assertion taken away',
    forge: (xml) => inAssertion(xml, unsigned),
    reason: /Assertion is not signed$/,
  },
  {
    name: 'an assertion that the provider did not sign, in a response that it did',
    forge: (xml, stage) => withOuter('made anew by the provider', xml, (bare) => inAssertion(bare, unsigned), stage),
    reason: /Assertion is not signed$/,
  },
  {
    name: 'an empty Signature',
    forge: (xml) => xml.replace(signatureOf(xml), '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>'),
    reason: /Signature does not hold what it must$/,
  },
  {
    name: 'an empty SignatureValue',
    forge: (xml) => xml.replace(/(<ds:SignatureValue>)[^<]*/, '$1'),
    reason: /signature does not hold$|signed by no known certificate/,
  },
  {
    name: 'another name changed in the signed assertion',
    forge: (xml) => xml.replaceAll(CAROL, ALICE),
    reason: /signature does not hold$/,
  },
  {
    name: 'a signature of the response at the assertion, and the other way round',
    forge: (xml) => {
      const [outer, inner] = [signatureOf(xml), signatureOf(assertionOf(xml))];
      return xml.replace(inner, '<swap/>').replace(outer, inner).replace('<swap/>', outer);
    },
    reason: /signature of another element$/,
  },
];

/** Signatures that hold what they must not. */
export const shape: readonly Attack[] = [
  {
    name: 'CVE-2025-29775: a comment before the text of DigestValue',
    forge: (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue><!--another digest-->'),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'CVE-2025-29775: a comment inside DigestValue, with a new digest before it',
    forge: (xml) => xml.replace(/<ds:DigestValue>([^<]+)/, '<ds:DigestValue>AAAA<!---->$1'),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'a processing instruction inside DigestValue',
    forge: (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue><?digest x?>'),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'CVE-2025-29774: two SignedInfo, the forged one first',
    forge: (xml) =>
      xml.replace(
        /<ds:SignedInfo>.*?<\/ds:SignedInfo>/s,
        (info) => `${info.replace(/(<ds:DigestValue>)[^<]+/, '$1AAAA')}${info}`,
      ),
    reason: /Signature does not hold what it must$/,
  },
  {
    name: 'CVE-2025-29774: two SignedInfo, the forged one last',
    forge: (xml) =>
      xml.replace(
        /<ds:SignedInfo>.*?<\/ds:SignedInfo>/s,
        (info) => `${info}${info.replace(/(<ds:DigestValue>)[^<]+/, '$1AAAA')}`,
      ),
    reason: /Signature does not hold what it must$/,
  },
  {
    name: 'a SignedInfo inside an Object of the signature',
    forge: (xml) => {
      const info = /<ds:SignedInfo>.*?<\/ds:SignedInfo>/s.exec(xml)?.[0] ?? '';
      return xml.replace('</ds:Signature>', `<ds:Object>${info}</ds:Object></ds:Signature>`);
    },
    reason: /Signature does not hold what it must$/,
  },
  {
    name: 'two DigestValue',
    forge: (xml) => xml.replace('<ds:DigestValue>', '<ds:DigestValue>AAAA</ds:DigestValue><ds:DigestValue>'),
    reason: /Reference does not hold what it must$/,
  },
  {
    name: 'two References',
    forge: (xml, stage) =>
      resignInfo(
        xml,
        (info) => info.replace(/<ds:Reference.*<\/ds:Reference>/s, (reference) => `${reference}${reference}`),
        byProvider(stage),
      ),
    reason: /SignedInfo does not hold what it must$/,
  },
  {
    name: 'no Reference',
    forge: (xml, stage) =>
      resignInfo(xml, (info) => info.replace(/<ds:Reference.*<\/ds:Reference>/s, ''), byProvider(stage)),
    reason: /SignedInfo does not hold what it must$/,
  },
  {
    name: 'a Reference to the whole document',
    forge: (xml, stage) => resignInfo(xml, (info) => info.replace(/URI="[^"]*"/, 'URI=""'), byProvider(stage)),
    reason: /signature of another element$/,
  },
  {
    name: 'a Reference to another element',
    forge: (xml, stage) => {
      const id = /ID="([^"]+)"/.exec(assertionOf(xml))?.[1] ?? '';
      return resignInfo(xml, (info) => info.replace(/URI="[^"]*"/, `URI="#${id}"`), byProvider(stage));
    },
    reason: /signature of another element$/,
  },
  {
    name: 'a Reference by XPointer',
    forge: (xml, stage) =>
      resignInfo(xml, (info) => info.replace(/URI="#([^"]*)"/, 'URI="#xpointer(id(\'$1\'))"'), byProvider(stage)),
    reason: /signature of another element$/,
  },
  {
    name: 'an XSLT transform',
    forge: (xml, stage) =>
      resignInfo(
        xml,
        (info) =>
          info.replace(
            '<ds:Transforms>',
            '<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"></ds:Transform>',
          ),
        byProvider(stage),
      ),
    reason: /Transforms does not hold what it must$/,
  },
  {
    name: 'an XSLT transform in place of the enveloped signature',
    forge: (xml, stage) =>
      resignInfo(
        xml,
        (info) => info.replace(ENVELOPED, 'http://www.w3.org/TR/1999/REC-xslt-19991116'),
        byProvider(stage),
      ),
    reason: /a transform that is not allowed$/,
  },
  {
    name: 'an XPath transform that takes everything away',
    forge: (xml, stage) =>
      resignInfo(
        xml,
        (info) => info.replace(ENVELOPED, 'http://www.w3.org/TR/1999/REC-xpath-19991116'),
        byProvider(stage),
      ),
    reason: /a transform that is not allowed$/,
  },
  {
    name: 'a key of the sender’s own inside KeyInfo by a RetrievalMethod',
    forge: (xml) =>
      xml.replace(/<ds:X509Data>.*?<\/ds:X509Data>/s, '<ds:RetrievalMethod URI="http://127.0.0.1:1/key"/>'),
    reason: /KeyInfo holds what it must not$/,
  },
];

/** Other algorithms, and keys of others. */
export const algorithms: readonly Attack[] = [
  ...(['sha1', 'sha256'] as const).map(
    (hash): Attack => ({
      name: `HMAC-${hash} with the public certificate as the secret`,
      forge: (xml, stage) => {
        const label =
          hash === 'sha1' ? 'http://www.w3.org/2000/09/xmldsig#hmac-sha1' : `${RSA_SHA256.replace('rsa', 'hmac')}`;
        return resignInfo(xml, (info) => info.replace(RSA_SHA256, label), byHmac(stage, hash));
      },
      reason: /a signature algorithm that is not allowed$/,
    }),
  ),
  {
    name: 'both signatures by the provider’s own key, with SHA-1',
    forge: (xml, stage) => signAnew(xml, { key: stage.idp.signingKey(), algorithm: RSA_SHA1 }),
    reason: /a signature algorithm that is not allowed$/,
  },
  {
    name: 'a digest by SHA-1',
    forge: (xml, stage) => resignInfo(xml, (info) => info.replace(SHA256, SHA1), byProvider(stage)),
    reason: /a digest algorithm that is not allowed$/,
  },
  ...Object.entries({
    'RSA-MD5': 'http://www.w3.org/2001/04/xmldsig-more#rsa-md5',
    'an unknown one': 'http://www.example.com/none',
    'one with a space behind it': `${RSA_SHA256} `,
    'one in capitals': RSA_SHA256.toUpperCase(),
    'a property of every object': '__proto__',
  }).map(
    ([name, label]): Attack => ({
      name: `a signature algorithm called ${name}`,
      forge: (xml, stage) => resignInfo(xml, (info) => info.replace(RSA_SHA256, label), byProvider(stage)),
      reason: /a signature algorithm that is not allowed$/,
    }),
  ),
  {
    name: 'no signature algorithm',
    forge: (xml, stage) => resignInfo(xml, (info) => info.replace(RSA_SHA256, ''), byProvider(stage)),
    reason: /no Algorithm on SignatureMethod$/,
  },
  {
    name: 'a digest algorithm that is not known',
    forge: (xml, stage) =>
      resignInfo(xml, (info) => info.replace(SHA256, 'http://www.w3.org/2001/04/xmldsig-more#md5'), byProvider(stage)),
    reason: /a digest algorithm that is not allowed$/,
  },
  ...Object.entries({
    'inclusive canonicalisation': 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
    'canonicalisation that keeps comments': `${EXCLUSIVE}WithComments`,
    'canonicalisation 1.1': 'http://www.w3.org/2006/12/xml-c14n11',
    'canonicalisation that nobody knows': 'http://www.example.com/c14n',
  }).flatMap(([name, label]): Attack[] => [
    {
      name: `SignedInfo by ${name}`,
      forge: (xml, stage) =>
        resignInfo(
          xml,
          (info) =>
            info.replace(
              `CanonicalizationMethod Algorithm="${EXCLUSIVE}"`,
              `CanonicalizationMethod Algorithm="${label}"`,
            ),
          byProvider(stage),
        ),
      reason: /a canonicalisation that is not allowed$/,
    },
    {
      name: `the signed element by ${name}`,
      forge: (xml, stage) =>
        resignInfo(
          xml,
          (info) => info.replace(`Transform Algorithm="${EXCLUSIVE}"`, `Transform Algorithm="${label}"`),
          byProvider(stage),
        ),
      reason: /a transform that is not allowed$/,
    },
  ]),
  {
    name: 'a key of the attacker’s own, with its certificate in KeyInfo',
    forge: async (xml) => signAnew(xml.replaceAll(CAROL, ALICE), { key: await attackersKey() }),
    reason: /signed by no known certificate of the provider$/,
  },
  {
    name: 'a key of the attacker’s own, with the provider’s certificate in KeyInfo',
    forge: async (xml, stage) => {
      const { keyPem } = await attackersKey();
      return signAnew(xml.replaceAll(CAROL, ALICE), { key: { keyPem, certPem: stage.idp.signingKey().certPem } });
    },
    reason: /signed by no known certificate of the provider$/,
  },
  {
    name: 'the assertion by the attacker’s key, the response by the provider’s',
    forge: async (xml, stage) => {
      const forged = signAnew(xml.replaceAll(CAROL, ALICE), { key: await attackersKey() });
      return withOuter('made anew by the provider', forged, (bare) => bare, stage);
    },
    reason: /node-saml refused it$/,
  },
];
