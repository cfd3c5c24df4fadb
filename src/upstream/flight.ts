import type { ServerResponse } from 'node:http';
import { failureToError } from './failure.ts';
import type { CallerGone, CoalesceConfig, Credential, ForwardResult, GoneListener, UpstreamCall } from './ports.ts';

/** What a read of the micro-cache that must be asked for is about. */
export interface CacheMiss {
  /** Milliseconds that the answer may be used again. */
  readonly life: number;
  /** Why no stored answer did (RFC 9211, `fwd`). */
  readonly why: 'miss' | 'stale' | 'request';
  /** The caller's If-None-Match, or null. */
  readonly condition: string | null;
}

/** Who wants to share a read. */
export interface SharingCaller {
  readonly call: UpstreamCall;
  readonly credential: Credential;
  readonly response: ServerResponse;
  readonly miss: CacheMiss | null;
}

/** One of those who wait for a shared call. */
export class Member implements GoneListener, SharingCaller {
  readonly call: UpstreamCall;
  readonly credential: Credential;
  readonly response: ServerResponse;
  /** Null for what is not cached. All members of a flight have one or none. */
  readonly miss: CacheMiss | null;
  readonly #flight: Flight;
  readonly #outcome = Promise.withResolvers<ForwardResult>();

  constructor(flight: Flight, caller: SharingCaller) {
    this.#flight = flight;
    this.call = caller.call;
    this.credential = caller.credential;
    this.response = caller.response;
    this.miss = caller.miss;
  }

  get outcome(): Promise<ForwardResult> {
    return this.#outcome.promise;
  }

  resolve(result: ForwardResult | Promise<ForwardResult>): void {
    this.#outcome.resolve(result);
  }

  reject(error: unknown): void {
    this.#outcome.reject(error);
  }

  /** The caller went away. */
  handleEvent(): void {
    this.reject(
      failureToError({ sent: 'not_sent', kind: 'aborted', reason: 'the caller went away' }, this.call.method),
    );
    this.#flight.leave(this);
  }
}

/** A call that several wait for. Once it goes it is cancelled when the last of them has gone; it is its call's caller. */
export class Flight implements CallerGone {
  readonly queue: string;
  readonly config: CoalesceConfig;
  /** True when its answer is the same for every account. */
  readonly common: boolean;
  /** When its first member came, by the counted clock. */
  readonly begun: number;
  aborted = false;
  readonly #members = new Set<Member>();
  readonly #listeners = new Set<GoneListener>();
  #going = false;

  /** `config` is the queue's at the moment. */
  constructor(queue: string, config: CoalesceConfig, common: boolean, begun: number) {
    this.begun = begun;
    this.queue = queue;
    this.config = config;
    this.common = common;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Who waits longest. */
  get first(): Member | undefined {
    for (const member of this.#members) return member;
    return undefined;
  }

  add(caller: SharingCaller): Member {
    const { call } = caller;
    const member = new Member(this, caller);
    this.#members.add(member);
    call.signal.addEventListener('abort', member);
    if (call.signal.aborted) member.handleEvent();
    return member;
  }

  has(member: Member): boolean {
    return this.#members.has(member);
  }

  /** All who wait, longest first. They may leave while this is walked. */
  members(): Iterable<Member> {
    return this.#members;
  }

  /** From now on there is something to cancel. */
  go(): void {
    this.#going = true;
  }

  /** Takes a member out whose answer comes from elsewhere or is here; false when it had left. */
  take(member: Member): boolean {
    member.call.signal.removeEventListener('abort', member);
    return this.#members.delete(member);
  }

  /** A member's caller went away. */
  leave(member: Member): void {
    if (!this.take(member) || this.#members.size > 0 || !this.#going) return;
    this.aborted = true;
    const event = new Event('abort');
    for (const listener of this.#listeners) listener.handleEvent(event);
  }

  addEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.delete(listener);
  }
}
