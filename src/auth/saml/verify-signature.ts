import type { X509Certificate } from 'node:crypto';
import { type HashAlgorithm, type SignatureAlgorithm, SignedXml } from 'xml-crypto';
import { digestNames, digestOf, verifies } from './algorithms.ts';
import { only, required } from './elements.ts';
import { escapeXml } from './escape-xml.ts';
import { SamlFault, UnknownSigner } from './fault.ts';
import { NS } from './names.ts';
import { namespacesIn, type XmlElement } from './parse-xml.ts';
import { type Algorithms, signatureOf } from './signature-shape.ts';

/** What a signature covers. */
export interface Verified {
  /** The signed octets in canonical form: the only thing that may be read. */
  readonly xml: string;
  readonly signer: X509Certificate;
}

/** The signature as a document of its own: what it inherits of namespaces is written into it. */
function standalone(xml: string, signature: XmlElement): string {
  const tag = /^<[^\s/>]+/.exec(xml.slice(signature.start, signature.end))?.[0] ?? '';
  const { scope, parent } = signature;
  const own = scope === parent?.scope ? null : scope;
  const inherited = [...namespacesIn(scope)]
    .filter(([prefix]) => prefix !== 'xml' && own?.declared.has(prefix) !== true)
    .map(([prefix, uri]) => ` xmlns${prefix === '' ? '' : ':'}${prefix}="${escapeXml(uri)}"`);
  return `${tag}${inherited.join('')}${xml.slice(signature.start + tag.length, signature.end)}`;
}

/** What came of one pass over a document. */
interface Attempt {
  asked: boolean;
  signer: X509Certificate | null;
}

/** One pass for all certificates: the library would take one key, and each pass costs a parse. */
const verifier = (
  algorithm: string,
  certificates: readonly X509Certificate[],
  attempt: Attempt,
): (new () => SignatureAlgorithm) =>
  class {
    getAlgorithmName(): string {
      return algorithm;
    }

    getSignature(): string {
      throw new Error('this object only verifies');
    }

    verifySignature(signedInfo: string, _key: unknown, signature: string): boolean {
      attempt.asked = true;
      const data = Buffer.from(signedInfo, 'utf8');
      const octets = Buffer.from(signature, 'base64');
      attempt.signer = certificates.find(({ publicKey }) => verifies(algorithm, data, publicKey, octets)) ?? null;
      return attempt.signer !== null;
    }
  };

const digester = (algorithm: string): (new () => HashAlgorithm) =>
  class {
    getAlgorithmName(): string {
      return algorithm;
    }

    getHash(text: string): string {
      return digestOf(algorithm, text);
    }
  };

/**
 * Verifies the signature of an element of `xml` against all `certificates` at once and gives what it covers. Throws
 * {@link UnknownSigner} when the document is intact but none of the certificates made the signature, else
 * {@link SamlFault}.
 */
export function verifySignature(
  xml: string,
  element: XmlElement,
  certificates: readonly X509Certificate[],
  algorithms: Algorithms,
): Verified {
  const signature = signatureOf(element, algorithms);
  const method = only(only(signature, NS.signature, 'SignedInfo'), NS.signature, 'SignatureMethod');
  const algorithm = required(method, 'Algorithm');
  const attempt: Attempt = { asked: false, signer: null };
  // The key is not looked at, but without one the library does not start.
  const signed = new SignedXml({ publicCert: 'none' });
  signed.SignatureAlgorithms = { [algorithm]: verifier(algorithm, certificates, attempt) };
  signed.HashAlgorithms = Object.fromEntries(digestNames().map((name) => [name, digester(name)]));
  let holds = false;
  try {
    signed.loadSignature(standalone(xml, signature));
    holds = signed.checkSignature(xml);
  } catch (error) {
    if (attempt.asked) throw new UnknownSigner('signed by no known certificate of the provider');
    throw new SamlFault('signature does not hold', error);
  }
  const [covered, ...more] = signed.getSignedReferences();
  if (!holds || attempt.signer === null || covered === undefined || more.length > 0)
    throw new SamlFault('signature does not hold');
  return { xml: covered, signer: attempt.signer };
}
