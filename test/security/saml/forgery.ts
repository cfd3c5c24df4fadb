import { signResponse } from '../../../standin/idp/saml-signature.ts';
import type { Stage, StageIdp } from './genuine.ts';

/** Subject of carol, who attacks, and of alice, whom she wants to be. */
export const CAROL = 'p-c61e07aa';
export const ALICE = 'p-7f3a91c2';

const need = (found: RegExpMatchArray | null, what: string): string => {
  const text = found?.[0];
  if (text === undefined) throw new Error(`no ${what} in the response`);
  return text;
};

/** The assertion of a response. */
export const assertionOf = (xml: string): string =>
  need(xml.match(/<saml:Assertion[ >].*<\/saml:Assertion>/s), 'assertion');

/** The first signature of a message or assertion. */
export const signatureOf = (xml: string): string =>
  need(xml.match(/<ds:Signature[ >].*?<\/ds:Signature>/s), 'signature');

/** The ID of the outermost element. */
export const idOf = (xml: string): string => /\bID="([^"]+)"/.exec(xml)?.[1] ?? '';

export const unsigned = (xml: string): string => xml.replace(signatureOf(xml), '');

/** The assertion that the attacker would like: unsigned, with another ID, about alice. */
export const evilOf = (assertion: string): string =>
  unsigned(assertion).replace(idOf(assertion), '_evil').replaceAll(CAROL, ALICE).replaceAll('carol', 'alice');

/** What becomes of the signature around an assertion that was tampered with. */
export const OUTER = ['left as it was', 'taken away', 'made anew by the provider'] as const;

/** A response with another inside, whose own signature is treated as `outer` says. */
export async function withOuter(
  outer: (typeof OUTER)[number],
  xml: string,
  change: (xml: string) => string,
  stage: Pick<Stage<StageIdp>, 'idp'>,
): Promise<string> {
  const signature = signatureOf(xml);
  const bare = change(xml.replace(signature, ''));
  if (outer === 'left as it was') return bare.replace('<samlp:Status>', `${signature}<samlp:Status>`);
  if (outer === 'taken away') return bare;
  return signResponse(bare, stage.idp.signingKey(), 'assertion', null);
}
