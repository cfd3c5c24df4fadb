import { setImmediate as breathe } from 'node:timers/promises';
import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { Flight, type Member, type SharingCaller } from './flight.ts';
import { type Boarded, FlightLine } from './flight-line.ts';
import type { MicroCache, Ticket } from './micro-cache.ts';
import { type Tagged, tagAnswer, writeTagged } from './micro-cache-answer.ts';
import { storableLife } from './micro-cache-rules.ts';
import type { PlainWay } from './plain-way.ts';
import type { CoalesceConfig, ForwardResult, Turn, WholeAnswer } from './ports.ts';
import { type AnswerBudget, HeldAnswer, RecentKeys } from './share-bounds.ts';
import { isForEqualReads } from './share-key.ts';
import { AnswerTooLong } from './sink.ts';
import { type Slot, SlotTable } from './slot.ts';
import { writeAnswer } from './write-answer.ts';

/** What sharing needs. */
export interface SharedReadsOptions {
  readonly way: PlainWay;
  readonly cache: MicroCache;
  readonly budget: AnswerBudget;
  readonly clock: Clock;
  readonly report: Pick<Report, 'coalesced'>;
  /** Different reads that are known at once. */
  readonly keys: number;
}

/** A read that may be shared: its key, who wants it, and how. */
export interface SharedRead extends SharingCaller {
  readonly key: string;
  readonly config: CoalesceConfig;
  /** True when the answer is the same for every account. */
  readonly common: boolean;
  /** True when no call will do that runs already, whatever `join` says. */
  readonly fresh: boolean;
}

/** Milliseconds that a key is remembered whose answer cannot be shared. */
const UNSHARED_LIFE = 30_000;
const UNSHARED_KEYS = 256;
/** After so many milliseconds a reader that is slower than vovserver no longer holds up those who wait. */
const PATIENCE = 1000;
/** Who waited for so many milliseconds is asked for the credential once more. */
const LONG = 100;
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

/** An answer that came for a flight. */
interface Landed extends Tagged {
  readonly held: HeldAnswer;
  readonly stored: boolean;
}

/** Reads that share answers: for each key at most one call runs, and whoever comes meanwhile waits for the next one. */
export class SharedReads {
  readonly #options: SharedReadsOptions;
  readonly #slots: SlotTable;
  readonly #unshared: RecentKeys;

  constructor(options: SharedReadsOptions) {
    this.#options = options;
    this.#slots = new SlotTable(this, options.keys);
    this.#unshared = new RecentKeys(options.clock, UNSHARED_LIFE, UNSHARED_KEYS);
  }

  /** True while answers of a key are known to be too long, or for their caller alone. */
  isUnshared(key: string): boolean {
    return this.#unshared.has(key);
  }

  /** Joins a call of the read's key or begins one; null when it must go by itself for want of room. */
  forward(read: SharedRead): Promise<ForwardResult> | null {
    // Slots stay when nothing is under way, since who polls comes again.
    const slot = this.#slots.of(read.key, read.call, read.common);
    if (slot === null) return null;
    if (slot.busy) return this.#join(slot, read);
    return this.#options.budget.hasRoom(read.config.maxBytes) ? this.#begin(slot, read) : null;
  }

  /** The first call of a key. When its turn is free it is streamed, and nothing is made for it. */
  #begin(slot: Slot, read: SharedRead): Promise<ForwardResult> {
    const { config, call } = read;
    const taken = this.#options.way.take(call);
    slot.busy = true;
    if (config.join === 'next' && read.miss === null && !(taken instanceof Promise)) {
      return this.#stream(slot, taken, config.maxBytes, read);
    }
    slot.next = new Flight(call.queue, config, read.common, this.#options.clock.elapsed());
    const { outcome } = slot.next.add(read);
    void this.#launch(slot, slot.next, taken);
    return outcome;
  }

  #join(slot: Slot, read: SharedRead): Promise<ForwardResult> {
    const { running } = slot;
    const { config, call } = read;
    if (config.join === 'running' && running !== null && !running.aborted && !read.fresh) {
      return running.add(read).outcome;
    }
    slot.next ??= new Flight(call.queue, config, read.common, this.#options.clock.elapsed());
    if (slot.reader !== null) slot.patience ??= this.#options.clock.after(PATIENCE, () => this.#lookAtReader(slot));
    const member = slot.next.add(read);
    slot.line?.join(member);
    return member.outcome;
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
    const fresh = this.#slots.replace(slot);
    fresh.busy = true;
    fresh.next = next;
    void this.#launch(fresh, next, null);
  }

  /** Waits for the turn of those who wait, then lets them go. Never throws. */
  async #launch(slot: Slot, flight: Flight, taken: Turn | Promise<Turn> | null): Promise<void> {
    const { config } = flight;
    const { way, budget } = this.#options;
    const inVain = taken === null && this.#unshared.has(slot.key);
    let boarded = inVain ? null : await this.#board(slot, flight, taken);
    // Somebody may have come in the moment in which nobody was left.
    while (boarded === null && !inVain && flight.size > 0) boarded = await this.#board(slot, flight, null);
    slot.line = null;
    if (boarded !== null && this.#options.clock.elapsed() - flight.begun >= LONG) await this.#checkAll(flight);
    slot.next = null;
    const turn = boarded?.turn ?? null;
    const leader = boarded?.leader && flight.has(boarded.leader) ? boarded.leader : flight.first;
    if (turn !== null && leader !== undefined && flight.size === 1 && config.join === 'next' && leader.miss === null) {
      flight.take(leader);
      leader.resolve(this.#stream(slot, turn, config.maxBytes, leader));
    } else if (turn !== null && leader !== undefined && budget.hasRoom(config.maxBytes)) {
      await this.#share(slot, flight, turn, leader);
    } else {
      if (turn !== null) way.giveBack(turn, flight.queue);
      this.ended(slot);
      await this.#eachAlone(flight, inVain ? 'too_large' : 'own');
    }
  }

  /** Whose credential ended while it waited gets no answer. */
  async #checkAll(flight: Flight): Promise<void> {
    const check = async (member: Member): Promise<void> => {
      try {
        await member.call.holder?.stillHolds?.();
      } catch (error) {
        if (flight.take(member)) member.reject(error);
      }
    };
    await Promise.all([...flight.members()].map(check));
  }

  /** A turn in the name of one of those who wait; null when nobody is left. */
  #board(slot: Slot, flight: Flight, taken: Turn | Promise<Turn> | null): Boarded | Promise<Boarded | null> {
    if (taken !== null && !(taken instanceof Promise)) return { turn: taken, leader: null };
    slot.line = new FlightLine(this.#options.way, flight);
    return slot.line.begin(taken);
  }

  /** A call for one caller only, straight through. */
  #stream(slot: Slot, turn: Turn, maxBytes: number, caller: SharingCaller): Promise<ForwardResult> {
    const { call, credential, response } = caller;
    slot.reader = response;
    slot.maxBytes = maxBytes;
    return this.#options.way.stream(turn, call, credential, response, 'own', slot);
  }

  /** A streamed answer of a key ended. */
  streamed(slot: Slot, bytes: number): void {
    if (bytes > slot.maxBytes) this.#unshared.add(slot.key);
    this.ended(slot);
  }

  /** One call for all of a flight. Never throws. */
  async #share(slot: Slot, flight: Flight, turn: Turn, leader: Member): Promise<void> {
    const { maxBytes } = flight.config;
    const { key } = slot;
    const { way, budget, cache } = this.#options;
    budget.take(maxBytes);
    slot.running = flight;
    flight.go();
    const ticket = leader.miss === null ? null : cache.begin(key);
    let answer: WholeAnswer;
    try {
      answer = await way.ask(turn, { ...leader.call, signal: flight }, leader.credential, maxBytes);
    } catch (error) {
      budget.give(maxBytes);
      if (ticket !== null) cache.lost(ticket);
      if (error instanceof AnswerTooLong) this.#unshared.add(key);
      this.ended(slot);
      await this.#fail(flight, leader, error);
      return;
    }
    budget.give(maxBytes - answer.body.length);
    if (!isForEqualReads(answer.headers)) this.#unshared.add(key);
    this.ended(slot);
    await this.#serve(flight, leader, this.#land(ticket, flight, leader, answer));
  }

  /** Stores an answer when it may be. */
  #land(ticket: Ticket | null, flight: Flight, leader: Member, answer: WholeAnswer): Landed {
    const { cache, clock, budget } = this.#options;
    const held = new HeldAnswer(budget, answer.body.length);
    if (ticket === null || leader.miss === null) return { answer, etag: '', held, stored: false };
    const tagged = tagAnswer(answer, clock.now());
    const { queue, account } = leader.call;
    const life = isForEqualReads(answer.headers) ? storableLife(answer, leader.miss.life, flight.common) : 0;
    const owner = { queue, account: flight.common ? null : account };
    const { cache: setting } = flight.config;
    const stored = cache.land(ticket, owner, life > 0 ? { ...tagged, life, setting, held } : null);
    return { ...tagged, held, stored };
  }

  /** What follows the end of a key's running call. */
  ended(slot: Slot): void {
    slot.patience?.[Symbol.dispose]();
    slot.patience = null;
    slot.reader = null;
    slot.running = null;
    if (slot.left) return;
    if (slot.next === null) slot.busy = false;
    else void this.#launch(slot, slot.next, null);
  }

  async #serve(flight: Flight, leader: Member, landed: Landed): Promise<void> {
    const { answer, held } = landed;
    const forEqual = isForEqualReads(answer.headers);
    let how: 'own' | 'shared' = 'own';
    await this.#each(flight, (member) => {
      const { call, response } = member;
      const foreign = call.account !== leader.call.account && answer.status !== 200;
      if (member !== leader && (foreign || !forEqual)) {
        this.#byItself(member, 'own');
        return;
      }
      held.hold(response);
      try {
        const result = this.#write(member, landed, how);
        this.#options.report.coalesced(call.queue, call.route, how);
        how = 'shared';
        member.resolve(result);
      } catch (error) {
        member.reject(error);
      }
    });
    held.written();
  }

  #write({ call, response, miss }: Member, landed: Landed, how: 'own' | 'shared'): ForwardResult {
    if (miss === null) return writeAnswer(call, landed.answer, response);
    const status = `fwd=${miss.why}${landed.stored ? '; stored' : ''}${how === 'shared' ? '; collapsed' : ''}`;
    return writeTagged(call, landed, response, { status, age: null, condition: miss.condition });
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
    const { call, credential, response } = member;
    const holds = call.holder?.stillHolds?.();
    const go = (): Promise<ForwardResult> => this.#options.way.alone(call, credential, response, how);
    member.resolve(holds === undefined ? go() : holds.then(go));
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
}
