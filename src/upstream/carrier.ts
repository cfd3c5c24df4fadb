import type { ServerResponse } from 'node:http';
import { setImmediate as breathe } from 'node:timers/promises';
import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { Flight, type Member } from './flight.ts';
import type {
  Carrier,
  CoalesceConfig,
  Credential,
  ForwardResult,
  Gate,
  Turn,
  Upstream,
  UpstreamCall,
  WholeAnswer,
} from './ports.ts';
import { ByteBudget, HeldAnswer, RecentKeys } from './share-bounds.ts';
import { shareKeyOf } from './share-key.ts';
import { AnswerTooLong } from './sink.ts';
import { type Slot, slotOf } from './slot.ts';
import { writeAnswer } from './write-answer.ts';

export interface CarrierOptions {
  readonly upstream: Pick<Upstream, 'forward' | 'ask' | 'epoch'>;
  readonly gate: Gate;
  /** How equal reads share answers on a queue, asked for every read. */
  readonly settings: (queue: string) => CoalesceConfig;
  readonly clock: Clock;
  readonly report: Pick<Report, 'coalesced' | 'log'>;
  /** Bytes of shared answers in memory at once, of this process; default 64 MiB. Above it reads go by themselves. */
  readonly heldBytes?: number;
  /** Different reads that are known at once; default 2048. When as many are under way, others go by themselves. */
  readonly keys?: number;
}

/** Milliseconds that a key is remembered whose answer was too long to be shared. */
const TOO_LARGE_LIFE = 30_000;
const TOO_LARGE_KEYS = 256;
/** After so many milliseconds a reader that is slower than vovserver no longer holds up those who wait. */
const PATIENCE = 1000;
/** So many callers are served in one go, then others get their turn of the event loop. */
const BATCH = 64;

/** What tells nothing about the credential with which it was met. Everything else stays within its account. */
const COMMON_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'GW_UPSTREAM_DOWN',
  'GW_UPSTREAM_INVALID',
  'GW_UPSTREAM_TIMEOUT',
  'GW_UPSTREAM_TLS',
  'GW_UPSTREAM_WRONG_QUEUE',
]);

const isGood = (status: number): boolean => status >= 200 && status < 300;
const isWell = ({ status, complete }: ForwardResult): boolean => complete && status < 500;
const UNUSED = { ok: false, seconds: 0 } as const;

class SharingCarrier implements Carrier {
  readonly #options: CarrierOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #tooLarge: RecentKeys;
  readonly #budget: ByteBudget;
  readonly #keys: number;
  readonly #breaker: Breaker;

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#tooLarge = new RecentKeys(options.clock, TOO_LARGE_LIFE, TOO_LARGE_KEYS);
    this.#budget = new ByteBudget(options.heldBytes ?? 64 * 1024 * 1024);
    this.#keys = options.keys ?? 2048;
    this.#breaker = createBreaker(options);
  }

  forward(call: UpstreamCall, credential: Credential, response: ServerResponse): Promise<ForwardResult> {
    const { upstream, settings } = this.#options;
    if (call.method !== 'GET') return this.#alone(call, credential, response, call.method === 'HEAD' ? 'own' : null);
    try {
      const config = settings(call.queue);
      const key = config.join === 'off' ? null : shareKeyOf(call, config.shared, upstream.epoch(call.queue));
      if (key === null) return this.#alone(call, credential, response, 'own');
      if (this.#tooLarge.has(key)) return this.#alone(call, credential, response, 'too_large');
      const slot = this.#slots.get(key) ?? this.#newSlot(key);
      if (slot?.busy === true) return this.#join(slot, config, call, credential, response);
      if (slot === null || !this.#budget.hasRoom(config.maxBytes))
        return this.#alone(call, credential, response, 'own');
      return this.#begin(slot, config, call, credential, response);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async ask(call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer> {
    const taken = this.#take(call);
    return await this.#askWith(taken instanceof Promise ? await taken : taken, call, credential, maxBytes);
  }

  /** Slots stay when nothing is under way, since who polls comes again; null when all of them are busy. */
  #newSlot(key: string): Slot | null {
    if (this.#slots.size >= this.#keys) {
      for (const [idle, { busy }] of this.#slots) if (!busy) this.#slots.delete(idle);
      if (this.#slots.size >= this.#keys) return null;
    }
    const slot = slotOf(key);
    this.#slots.set(key, slot);
    return slot;
  }

  /** The first call of a key. When its turn is free it is streamed, and nothing is made for it. */
  #begin(
    slot: Slot,
    config: CoalesceConfig,
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
  ): Promise<ForwardResult> {
    const taken = this.#take(call);
    slot.busy = true;
    if (config.join === 'next' && !(taken instanceof Promise)) {
      return this.#stream(slot, taken, config.maxBytes, call, credential, response);
    }
    slot.next = new Flight(call.queue, config);
    const { outcome } = slot.next.add(call, credential, response);
    void this.#launch(slot, slot.next, taken);
    return outcome;
  }

  #join(
    slot: Slot,
    config: CoalesceConfig,
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
  ): Promise<ForwardResult> {
    const { running } = slot;
    if (config.join === 'running' && running !== null && !running.aborted) {
      return running.add(call, credential, response).outcome;
    }
    slot.next ??= new Flight(call.queue, config);
    if (slot.reader !== null) slot.patience ??= this.#options.clock.after(PATIENCE, () => this.#lookAtReader(slot));
    return slot.next.add(call, credential, response).outcome;
  }

  /** Whoever waits goes without the running call when only its reader holds it up. */
  #lookAtReader(slot: Slot): void {
    slot.patience = null;
    const { reader, next } = slot;
    if (reader === null || next === null) return;
    if (!reader.writableNeedDrain) {
      slot.patience = this.#options.clock.after(PATIENCE, () => this.#lookAtReader(slot));
      return;
    }
    slot.left = true;
    const fresh = slotOf(slot.key);
    fresh.busy = true;
    fresh.next = next;
    this.#slots.set(slot.key, fresh);
    void this.#launch(fresh, next, null);
  }

  /** Waits for the turn of those who wait, then lets them go. Never throws. */
  async #launch(slot: Slot, flight: Flight, taken: Turn | Promise<Turn> | null): Promise<void> {
    const { config } = flight;
    const inVain = taken === null && this.#tooLarge.has(slot.key);
    const turn = inVain ? null : await this.#turnFor(flight, taken);
    slot.next = null;
    const leader = flight.first;
    if (turn !== null && leader !== undefined && flight.size === 1 && config.join === 'next') {
      flight.take(leader);
      leader.resolve(this.#stream(slot, turn, config.maxBytes, leader.call, leader.credential, leader.response));
    } else if (turn !== null && leader !== undefined && this.#budget.hasRoom(config.maxBytes)) {
      await this.#share(slot, flight, turn, leader);
    } else {
      if (turn !== null) this.#giveBack(turn, flight.queue);
      this.#ended(slot);
      await this.#eachAlone(flight, inVain ? 'too_large' : 'own');
    }
  }

  /** A turn in the name of who waits longest; who gets none fails with its kind. Null when nobody is left. */
  async #turnFor(flight: Flight, taken: Turn | Promise<Turn> | null): Promise<Turn | null> {
    let pending = taken;
    for (let leader = flight.first; ; leader = flight.first) {
      if (pending === null && leader === undefined) return null;
      try {
        if (pending !== null) return await pending;
        if (leader !== undefined) return await this.#take(leader.call);
      } catch (error) {
        // Nobody fails for want of another's turn.
        const whose = leader !== undefined && flight.has(leader) ? leader.call.identity : null;
        for (const member of flight.members()) {
          if (member.call.identity === whose && flight.take(member)) member.reject(error);
        }
      }
      pending = null;
    }
  }

  /** A call for one caller only, straight through. */
  async #stream(
    slot: Slot,
    turn: Turn,
    maxBytes: number,
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
  ): Promise<ForwardResult> {
    const { upstream, report } = this.#options;
    const begun = this.#options.clock.now();
    let ok = false;
    slot.reader = response;
    try {
      const result = await upstream.forward(call, credential, response);
      ok = isWell(result);
      if (result.bytesOut > maxBytes) this.#tooLarge.add(slot.key);
      this.#breaker.answered(call);
      report.coalesced(call.queue, call.route, 'own');
      return result;
    } catch (error) {
      this.#breaker.failed(call, error);
      throw error;
    } finally {
      turn.done({ ok, seconds: this.#secondsSince(begun) });
      this.#ended(slot);
    }
  }

  /** One call for all of a flight. Never throws. */
  async #share(slot: Slot, flight: Flight, turn: Turn, leader: Member): Promise<void> {
    const { maxBytes } = flight.config;
    this.#budget.take(maxBytes);
    slot.running = flight;
    flight.go();
    let answer: WholeAnswer;
    try {
      answer = await this.#askWith(turn, { ...leader.call, signal: flight }, leader.credential, maxBytes);
    } catch (error) {
      this.#budget.give(maxBytes);
      if (error instanceof AnswerTooLong) this.#tooLarge.add(slot.key);
      this.#ended(slot);
      await this.#fail(flight, leader, error);
      return;
    }
    this.#budget.give(maxBytes - answer.body.length);
    this.#ended(slot);
    await this.#serve(flight, leader, answer);
  }

  /** What follows the end of a key's running call. */
  #ended(slot: Slot): void {
    slot.patience?.[Symbol.dispose]();
    slot.patience = null;
    slot.reader = null;
    slot.running = null;
    if (slot.left) return;
    if (slot.next === null) slot.busy = false;
    else void this.#launch(slot, slot.next, null);
  }

  async #serve(flight: Flight, leader: Member, answer: WholeAnswer): Promise<void> {
    const held = new HeldAnswer(this.#budget, answer.body.length);
    let how: 'own' | 'shared' = 'own';
    await this.#each(flight, (member) => {
      const { call, response } = member;
      if (call.account !== leader.call.account && !isGood(answer.status)) {
        this.#byItself(member, 'own');
        return;
      }
      held.hold(response);
      try {
        const result = writeAnswer(call, answer, response);
        this.#options.report.coalesced(call.queue, call.route, how);
        how = 'shared';
        member.resolve(result);
      } catch (error) {
        member.reject(error);
      }
    });
    held.written();
  }

  async #fail(flight: Flight, leader: Member, error: unknown): Promise<void> {
    if (error instanceof AnswerTooLong) {
      await this.#eachAlone(flight, 'too_large');
      return;
    }
    const common = error instanceof GatewayError && COMMON_ERRORS.has(error.code);
    await this.#each(flight, (member) => {
      if (common || member.call.account === leader.call.account) member.reject(error);
      else this.#byItself(member, 'own');
    });
  }

  #eachAlone(flight: Flight, how: 'own' | 'too_large'): Promise<void> {
    return this.#each(flight, (member) => this.#byItself(member, how));
  }

  #byItself(member: Member, how: 'own' | 'too_large'): void {
    member.resolve(this.#alone(member.call, member.credential, member.response, how));
  }

  /** Takes every member out of the flight and acts on it, longest waiting first, a batch at a time. */
  async #each(flight: Flight, act: (member: Member) => void): Promise<void> {
    let count = 0;
    for (let member = flight.first; member !== undefined; member = flight.first) {
      if (flight.take(member)) act(member);
      count += 1;
      if (count % BATCH === 0) await breathe();
    }
  }

  /** A call of its own; `how` is null for what is no read. */
  async #alone(
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
    how: 'own' | 'too_large' | null,
  ): Promise<ForwardResult> {
    const { upstream, clock, report } = this.#options;
    const taken = this.#take(call);
    const turn = taken instanceof Promise ? await taken : taken;
    const begun = clock.now();
    let ok = false;
    try {
      const result = await upstream.forward(call, credential, response);
      ok = isWell(result);
      this.#breaker.answered(call);
      if (how !== null) report.coalesced(call.queue, call.route, how);
      return result;
    } catch (error) {
      this.#breaker.failed(call, error);
      throw error;
    } finally {
      turn.done({ ok, seconds: this.#secondsSince(begun) });
    }
  }

  async #askWith(turn: Turn, call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer> {
    const begun = this.#options.clock.now();
    let ok = false;
    try {
      const answer = await this.#options.upstream.ask(call, credential, maxBytes);
      ok = answer.status < 500;
      this.#breaker.answered(call);
      return answer;
    } catch (error) {
      ok = error instanceof AnswerTooLong;
      if (ok) this.#breaker.answered(call);
      else this.#breaker.failed(call, error);
      throw error;
    } finally {
      turn.done({ ok, seconds: this.#secondsSince(begun) });
    }
  }

  /** A turn, unless calls to the queue are stopped. */
  #take(call: UpstreamCall): Turn | Promise<Turn> {
    this.#breaker.admit(call);
    try {
      const taken = this.#options.gate.take(call);
      return taken instanceof Promise ? taken.catch((error: unknown) => this.#untaken(call, error)) : taken;
    } catch (error) {
      return this.#untaken(call, error);
    }
  }

  #giveBack(turn: Turn, queue: string): void {
    this.#breaker.unused(queue);
    turn.done(UNUSED);
  }

  #untaken(call: UpstreamCall, error: unknown): never {
    this.#breaker.unused(call.queue);
    throw error;
  }

  #secondsSince(then: number): number {
    return Math.max(0, this.#options.clock.now() - then) / 1000;
  }
}

/**
 * Creates the way of calls to vovserver: each takes a turn right before it goes, none goes while vovserver does not answer
 * (circuit breaker), and equal reads share answers. With `join: next` an answer was observed after its request came: who
 * comes while a call runs waits for the next one, and for one key at most one is under way; with `join: running` it may be
 * older by one call. A lone caller is streamed to; an answer for several is held in memory, up to a bound.
 */
export function createCarrier(options: CarrierOptions): Carrier {
  return new SharingCarrier(options);
}
