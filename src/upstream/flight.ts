import type { ServerResponse } from 'node:http';
import { failureToError } from './failure.ts';
import type { CallerGone, CoalesceConfig, Credential, ForwardResult, GoneListener, UpstreamCall } from './ports.ts';

/** One of those who wait for a shared call. */
export class Member implements GoneListener {
  readonly call: UpstreamCall;
  readonly credential: Credential;
  readonly response: ServerResponse;
  readonly #flight: Flight;
  readonly #outcome = Promise.withResolvers<ForwardResult>();

  constructor(flight: Flight, call: UpstreamCall, credential: Credential, response: ServerResponse) {
    this.#flight = flight;
    this.call = call;
    this.credential = credential;
    this.response = response;
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
  aborted = false;
  readonly #members = new Set<Member>();
  readonly #listeners = new Set<GoneListener>();
  #going = false;

  /** `config` is the queue's at the moment. */
  constructor(queue: string, config: CoalesceConfig) {
    this.queue = queue;
    this.config = config;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Who waits longest. */
  get first(): Member | undefined {
    for (const member of this.#members) return member;
    return undefined;
  }

  add(call: UpstreamCall, credential: Credential, response: ServerResponse): Member {
    const member = new Member(this, call, credential, response);
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
