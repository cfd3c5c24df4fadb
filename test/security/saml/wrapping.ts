import type { Attack } from './attack.ts';
import { assertionOf, evilOf, idOf, OUTER, signatureOf, unsigned, withOuter } from './forgery.ts';

const inside = (element: string, child: string): string => element.replace(/<\/saml:Assertion>$/, `${child}$&`);

/** Where the genuine assertion and the forged one stand in a response. */
const POSITIONS: Readonly<Record<string, (response: string, genuine: string, evil: string) => string>> = {
  'the forged assertion before the signed one': (response, genuine, evil) =>
    response.replace(genuine, `${evil}${genuine}`),
  'the forged assertion after the signed one': (response, genuine, evil) =>
    response.replace(genuine, `${genuine}${evil}`),
  'the signed assertion inside the forged one': (response, genuine, evil) =>
    response.replace(genuine, inside(evil, genuine)),
  'the forged assertion inside the signed one': (response, genuine, evil) =>
    response.replace(genuine, inside(genuine, evil)),
  'the signed assertion inside an Object of its own signature': (response, genuine, evil) => {
    const signature = signatureOf(genuine);
    const holding = signature.replace('</ds:Signature>', `<ds:Object>${unsigned(genuine)}</ds:Object></ds:Signature>`);
    return response.replace(genuine, evil.replace('</saml:Issuer>', `</saml:Issuer>${holding}`));
  },
  'the signed assertion inside Extensions': (response, genuine, evil) =>
    response
      .replace(genuine, evil)
      .replace('<samlp:Status>', `<samlp:Extensions>${genuine}</samlp:Extensions><samlp:Status>`),
  'the forged assertion inside Extensions': (response, _genuine, evil) =>
    response.replace('<samlp:Status>', `<samlp:Extensions>${evil}</samlp:Extensions><samlp:Status>`),
  'the signed assertion inside StatusDetail': (response, genuine, evil) =>
    response
      .replace(genuine, evil)
      .replace('</samlp:Status>', `<samlp:StatusDetail>${genuine}</samlp:StatusDetail></samlp:Status>`),
  'the signed assertion inside SubjectConfirmationData': (response, genuine, evil) =>
    response.replace(
      genuine,
      evil.replace(
        /<saml:SubjectConfirmationData([^>]*)\/>/,
        `<saml:SubjectConfirmationData$1>${genuine}</saml:SubjectConfirmationData>`,
      ),
    ),
  'the signed assertion inside an AttributeValue': (response, genuine, evil) =>
    response.replace(
      genuine,
      evil.replace(/<saml:AttributeValue[^>]*>/, (tag) => `${tag}${genuine}</saml:AttributeValue>${tag}`),
    ),
  'the signed assertion inside Advice': (response, genuine, evil) =>
    response.replace(
      genuine,
      evil.replace('<saml:AuthnStatement', `<saml:Advice>${genuine}</saml:Advice><saml:AuthnStatement`),
    ),
  'the same id twice, the forged assertion first': (response, genuine, evil) =>
    response.replace(genuine, `${evil.replace('_evil', idOf(genuine))}${genuine}`),
  'the same id twice, the forged assertion last': (response, genuine, evil) =>
    response.replace(genuine, `${genuine}${evil.replace('_evil', idOf(genuine))}`),
  'the same id under another name of the attribute': (response, genuine, evil) =>
    response.replace(genuine, `${evil.replace('ID="_evil"', `Id="${idOf(genuine)}" ID="_evil"`)}${genuine}`),
  'a decoy Signature that holds the real one': (response, genuine, evil) => {
    const decoy = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Object>${genuine}</ds:Object></ds:Signature>`;
    return response.replace(genuine, evil.replace('</saml:Issuer>', `</saml:Issuer>${decoy}`));
  },
  'the signature copied onto the forged assertion, the signed one behind it': (response, genuine, evil) => {
    const dressed = evil.replace('</saml:Issuer>', `</saml:Issuer>${signatureOf(genuine)}`);
    return response.replace(genuine, `${dressed}${genuine}`);
  },
  'the forged assertion under a default namespace': (response, genuine, evil) => {
    const renamed = evil.replaceAll('saml:', '').replace('xmlns:saml=', 'xmlns=').replaceAll('xmlns:xmlns', 'xmlns');
    return response.replace(genuine, `${renamed}${genuine}`);
  },
  'the forged assertion in clear inside EncryptedAssertion': (response, genuine, evil) =>
    response.replace(genuine, `<saml:EncryptedAssertion>${evil}</saml:EncryptedAssertion>${genuine}`),
};

/** The forged assertion in every place, around or beside the one that the provider signed. */
export const assertionAttacks: readonly Attack[] = Object.entries(POSITIONS).flatMap(([name, place]) =>
  OUTER.map((outer) => ({
    name: `${name}; the signature of the response ${outer}`,
    forge: (xml, stage) =>
      withOuter(outer, xml, (bare) => place(bare, assertionOf(bare), evilOf(assertionOf(bare))), stage),
    reason: /Assertion more than once$|xml: an id twice$/,
  })),
);

/** An evil response around the genuine one: the signature covers the genuine one, the reader is shown the other. */
const evilResponse = (xml: string): string => {
  const assertion = assertionOf(xml);
  return xml.replace(signatureOf(xml), '').replace(assertion, evilOf(assertion)).replace(idOf(xml), '_evil-response');
};

/** A forged response around or beside the signed one. */
export const responseAttacks: readonly Attack[] = [
  {
    name: 'the signed response inside an Object of its signature, at a forged response',
    forge: (xml) => {
      const signature = signatureOf(xml);
      const original = xml.replace(signature, '');
      const holding = signature.replace('</ds:Signature>', `<ds:Object>${original}</ds:Object></ds:Signature>`);
      return evilResponse(xml).replace('<samlp:Status>', `${holding}<samlp:Status>`);
    },
    reason: /Response more than once/,
  },
  {
    name: 'the signed response beside its signature, at a forged response',
    forge: (xml) => {
      const signature = signatureOf(xml);
      const both = `${signature}${xml.replace(signature, '')}`;
      return evilResponse(xml).replace('<samlp:Status>', `${both}<samlp:Status>`);
    },
    reason: /Response more than once/,
  },
  {
    name: 'the signed response inside Extensions of a forged response',
    forge: (xml) =>
      evilResponse(xml).replace('<samlp:Status>', `<samlp:Extensions>${xml}</samlp:Extensions><samlp:Status>`),
    reason: /Response more than once/,
  },
  {
    name: 'the forged response inside Extensions of the signed one',
    forge: (xml) =>
      xml.replace('<samlp:Status>', `<samlp:Extensions>${evilResponse(xml)}</samlp:Extensions><samlp:Status>`),
    reason: /Response more than once/,
  },
  {
    name: 'the signed assertion in place, the forged one in a second Response beside it',
    forge: (xml) => xml.replace('</samlp:Response>', `${evilResponse(xml)}</samlp:Response>`),
    reason: /Response more than once/,
  },
  {
    name: 'the signature of the response around another assertion of the same id',
    forge: (xml) => {
      const assertion = assertionOf(xml);
      return xml.replace(assertion, evilOf(assertion).replace('_evil', idOf(assertion)));
    },
    reason: /Assertion is not signed/,
  },
];
