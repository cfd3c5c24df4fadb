import type { X509Certificate } from 'node:crypto';
import { type Clock, GatewayError } from '../../kernel/index.ts';
import { addressRange } from '../oauth/address-range.ts';
import { SamlFault, UnknownSigner } from './fault.ts';
import { fromPlain, type IdpMetadata, type Wanted } from './idp-metadata.ts';
import type { LibraryCheck, Parties } from './library.ts';
import type { Result, Task } from './verify-task.ts';
import { createVerifyThread, type VerifyThread } from './verify-thread.ts';

/** What a signature covers. */
export interface Verified {
  /** The signed octets in canonical form: the only thing that may be read. */
  readonly xml: string;
  readonly signer: X509Certificate;
}

/** A place in a queue, for all that one message needs. It is free again when disposed. */
export interface Place extends Disposable {
  /** Throws {@link UnknownSigner} for an intact document that none of the certificates signed. */
  verify(xml: string, certificates: readonly X509Certificate[], algorithms: 'own' | 'library'): Promise<Verified>;
  /** The assertion that node-saml verified. */
  assertion(parties: Parties, check: LibraryCheck): Promise<string>;
}

/**
 * The costly part of checking documents, on threads of its own: the libraries need some 100 µs for an element, and
 * nothing that somebody sends may hold the event loop. Sign-ins and logouts have a thread and a queue each, so that
 * neither keeps the other waiting. Every call throws {@link SamlFault}.
 */
export interface Verifier extends AsyncDisposable {
  /** Starts the thread of sign-ins, so that it is there when it is needed. */
  warm(): void;
  /**
   * Takes a place for a message from this address. Throws GW_PROVIDER_UNAVAILABLE with Retry-After when all are taken, or
   * as many as one address may have: whatever can be used only once must be used after this.
   */
  enter(queue: 'sign-in' | 'logout', address: string): Place;
  /** Beside the logouts and before all that wait there: without metadata nothing is believed at all. */
  metadata(bytes: Buffer, wanted: Wanted, now: number): Promise<IdpMetadata>;
}

/** Places of one queue, the one at work among them; and how many of them one address may have. */
const PLACES = 64;
const PLACES_EACH = 8;
const RETRY_AFTER = 5;
/** Logouts and metadata are rare. */
const IDLE_MS = 60_000;

function unwrap<K extends Result['kind']>(result: Result, kind: K): Extract<Result, { kind: K }> {
  if (result.kind === kind) return result as Extract<Result, { kind: K }>;
  if (result.kind !== 'fault') throw new Error('the verifying thread answered something else');
  if (result.unknownSigner) throw new UnknownSigner(result.reason, result.cause);
  throw new SamlFault(result.reason, result.cause);
}

const pems = (certificates: readonly X509Certificate[]): string[] => certificates.map((each) => each.toString());

const workOn = (thread: VerifyThread): Omit<Place, keyof Disposable> => ({
  async verify(xml, certificates, algorithms) {
    const task: Task = { do: 'verify', xml, certificates: pems(certificates), algorithms };
    const result = unwrap(await thread.run(task), 'verified');
    const signer = certificates[result.signer];
    if (signer === undefined) throw new SamlFault('signature does not hold');
    return { xml: result.xml, signer };
  },
  async assertion(parties, check) {
    return unwrap(await thread.run({ do: 'assertion', parties, check }), 'assertion').xml;
  },
});

/** Gives out the places of a queue. */
function createPlaces(thread: VerifyThread): (address: string) => Place {
  const work = workOn(thread);
  const taken = new Map<string, number>();
  let count = 0;
  return (address) => {
    const range = addressRange(address);
    const own = taken.get(range) ?? 0;
    if (count >= PLACES || own >= PLACES_EACH)
      throw new GatewayError(
        'GW_PROVIDER_UNAVAILABLE',
        'Too many messages of the identity provider are being checked right now.',
        {
          retryAfter: RETRY_AFTER,
          internal: own >= PLACES_EACH ? 'too many messages of one address wait' : 'too many messages wait',
        },
      );
    count += 1;
    taken.set(range, own + 1);
    let held = true;
    return {
      ...work,
      [Symbol.dispose]() {
        if (!held) return;
        held = false;
        count -= 1;
        const left = (taken.get(range) ?? 1) - 1;
        if (left === 0) taken.delete(range);
        else taken.set(range, left);
      },
    };
  };
}

/** Creates the verifier of a provider. */
export function createVerifier(clock: Clock): Verifier {
  const threads = { 'sign-in': createVerifyThread(clock, null), logout: createVerifyThread(clock, IDLE_MS) };
  const places = { 'sign-in': createPlaces(threads['sign-in']), logout: createPlaces(threads.logout) };
  return {
    warm: () => threads['sign-in'].warm(),
    enter: (queue, address) => places[queue](address),
    async metadata(bytes, { entityId, trusted }, now) {
      const task: Task = { do: 'metadata', bytes, entityId, trusted: trusted === null ? null : pems(trusted), now };
      return fromPlain(unwrap(await threads.logout.run(task, true), 'metadata').metadata);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(threads).map((thread) => thread[Symbol.asyncDispose]()));
    },
  };
}
