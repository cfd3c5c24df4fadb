import { X509Certificate } from 'node:crypto';
import { ALGORITHMS, LIBRARY_ALGORITHMS } from './algorithms.ts';
import { SamlFault, UnknownSigner } from './fault.ts';
import { type PlainMetadata, readIdpMetadata } from './idp-metadata.ts';
import { type LibraryCheck, type Parties, verifiedAssertion } from './library.ts';
import { MESSAGE_LIMITS } from './message.ts';
import { parseXml } from './parse-xml.ts';
import { verifySignature } from './verify-signature.ts';

/** Work for the verifying thread; certificates travel as PEM. */
export type Task =
  | {
      readonly do: 'verify';
      readonly xml: string;
      readonly certificates: readonly string[];
      readonly algorithms: 'own' | 'library';
    }
  | { readonly do: 'assertion'; readonly parties: Parties; readonly check: LibraryCheck }
  | {
      readonly do: 'metadata';
      readonly bytes: Uint8Array;
      readonly entityId: string | undefined;
      readonly trusted: readonly string[] | null;
      readonly now: number;
    };

/** What came of a task; `detail` is what a library said, for the log. */
export type Result =
  | { readonly kind: 'verified'; readonly xml: string; readonly signer: number }
  | { readonly kind: 'assertion'; readonly xml: string }
  | { readonly kind: 'metadata'; readonly metadata: PlainMetadata }
  | { readonly kind: 'fault'; readonly reason: string; readonly unknownSigner: boolean; readonly cause: unknown };

const certificatesOf = (pems: readonly string[]): X509Certificate[] => pems.map((pem) => new X509Certificate(pem));

async function perform(task: Task): Promise<Result> {
  if (task.do === 'assertion') return { kind: 'assertion', xml: await verifiedAssertion(task.parties, task.check) };
  if (task.do === 'metadata') {
    const trusted = task.trusted === null ? null : certificatesOf(task.trusted);
    const wanted = { entityId: task.entityId, trusted };
    return { kind: 'metadata', metadata: readIdpMetadata(Buffer.from(task.bytes), wanted, task.now) };
  }
  const certificates = certificatesOf(task.certificates);
  const algorithms = task.algorithms === 'own' ? ALGORITHMS : LIBRARY_ALGORITHMS;
  const { xml, signer } = verifySignature(task.xml, parseXml(task.xml, MESSAGE_LIMITS), certificates, algorithms);
  return { kind: 'verified', xml, signer: certificates.indexOf(signer) };
}

/** Does a task; what a document is refused for becomes a result. */
export async function performTask(task: Task): Promise<Result> {
  try {
    return await perform(task);
  } catch (error) {
    if (!(error instanceof SamlFault)) throw error;
    const unknownSigner = error instanceof UnknownSigner;
    return { kind: 'fault', reason: error.message, unknownSigner, cause: error.cause };
  }
}
