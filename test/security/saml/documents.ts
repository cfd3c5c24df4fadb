import type { Attack } from './attack.ts';
import { ALICE, assertionOf, CAROL } from './forgery.ts';

const inAssertion = (xml: string, change: (assertion: string) => string): string =>
  xml.replace(assertionOf(xml), change(assertionOf(xml)));

/** Documents that two parsers could read differently. */
export const documents: readonly Attack[] = [
  {
    name: 'a comment inside the NameID',
    forge: (xml) => xml.replace(CAROL, `${CAROL.slice(0, 4)}<!---->${CAROL.slice(4)}`),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'a processing instruction inside the NameID',
    forge: (xml) => xml.replace(CAROL, `${CAROL.slice(0, 4)}<?x y?>${CAROL.slice(4)}`),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'a CDATA section inside the NameID',
    forge: (xml) => xml.replace(CAROL, `<![CDATA[${CAROL}]]>`),
    reason: /markup that is not allowed$/,
  },
  {
    name: 'an element inside the NameID',
    forge: (xml) => xml.replace(CAROL, `${CAROL}<x/>`),
    reason: /signature does not hold$/,
  },
  {
    name: 'two roots, the forged one first',
    forge: (xml) => `${xml.replaceAll(CAROL, ALICE)}${xml}`,
    reason: /something after the root element$/,
  },
  {
    name: 'two roots, the forged one last',
    forge: (xml) => `${xml}${xml.replaceAll(CAROL, ALICE)}`,
    reason: /something after the root element$/,
  },
  { name: 'text after the root', forge: (xml) => `${xml}text`, reason: /something after the root element$/ },
  { name: 'text before the root', forge: (xml) => `text${xml}`, reason: /no root element$/ },
  {
    name: 'a DOCTYPE',
    forge: (xml) => `<!DOCTYPE Response>${xml}`,
    reason: /markup that is not allowed$/,
  },
  {
    name: 'an entity declaration that is used in the NameID',
    forge: (xml) => `<!DOCTYPE r [<!ENTITY who "${ALICE}">]>${xml.replace(CAROL, '&who;')}`,
    reason: /markup that is not allowed$/,
  },
  {
    name: 'an external entity',
    forge: (xml) => `<!DOCTYPE r [<!ENTITY who SYSTEM "file:///etc/passwd">]>${xml.replace(CAROL, '&who;')}`,
    reason: /markup that is not allowed$/,
  },
  {
    name: 'a billion laughs',
    forge: (xml) => {
      const more = Array.from({ length: 9 }, (_, at) => `<!ENTITY a${at + 1} "${`&a${at};`.repeat(10)}">`).join('');
      return `<!DOCTYPE r [<!ENTITY a0 "lol">${more}]>${xml.replace(CAROL, '&a9;')}`;
    },
    reason: /markup that is not allowed$/,
  },
  {
    name: 'an entity that nobody declared',
    forge: (xml) => xml.replace(CAROL, '&who;'),
    reason: /an entity reference$/,
  },
  {
    name: 'a default namespace in which Signature is something else',
    forge: (xml) => xml.replaceAll('http://www.w3.org/2000/09/xmldsig#"', 'http://www.w3.org/2000/09/xmldsig"'),
    reason: /Response is not signed$/,
  },
  {
    name: 'a Response of SAML 1.1',
    forge: (xml) => xml.replaceAll('urn:oasis:names:tc:SAML:2.0:protocol', 'urn:oasis:names:tc:SAML:1.0:protocol'),
    reason: /no Response$/,
  },
  {
    name: 'an Assertion of SAML 1.1',
    forge: (xml) => xml.replaceAll('urn:oasis:names:tc:SAML:2.0:assertion', 'urn:oasis:names:tc:SAML:1.0:assertion'),
    reason: /Signature where it must not be$/,
  },
  {
    name: 'an Assertion without a namespace',
    forge: (xml) =>
      inAssertion(xml, (assertion) =>
        assertion.replace('<saml:Assertion', '<Assertion').replace(/saml:Assertion>$/, 'Assertion>'),
      ),
    reason: /Signature where it must not be$/,
  },
  {
    name: 'a prefix that is bound to another namespace on the way down',
    forge: (xml) =>
      inAssertion(xml, (assertion) => assertion.replace('<saml:Subject>', '<saml:Subject xmlns:saml="urn:other">')),
    reason: /signature does not hold$/,
  },
  {
    name: 'a namespace prefix that is not declared',
    forge: (xml) => xml.replace('<samlp:Status>', '<other:Status>').replace('</samlp:Status>', '</other:Status>'),
    reason: /an undeclared namespace prefix$/,
  },
  {
    name: 'an attribute twice',
    forge: (xml) => xml.replace(' Version=', ' Version="2.0" Version='),
    reason: /an attribute twice$/,
  },
  {
    name: 'a document cut short',
    forge: (xml) => xml.slice(0, -20),
    reason: /it ends too early$|do not match$|malformed/,
  },
  { name: 'nothing but white space', forge: () => '  \n ', reason: /no root element$/ },
  {
    name: 'a LogoutRequest in place of a Response',
    forge: (xml) => xml.replaceAll('samlp:Response', 'samlp:LogoutRequest'),
    reason: /no Response$/,
  },
];
