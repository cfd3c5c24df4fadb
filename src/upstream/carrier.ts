import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { CacheMiss } from './flight.ts';
import { type Found, MicroCache, type Ticket } from './micro-cache.ts';
import { tagAnswer, writeTagged } from './micro-cache-answer.ts';
import { type ReadWish, readWish, storableLife, withoutCondition } from './micro-cache-rules.ts';
import { type Alone, PlainWay } from './plain-way.ts';
import type {
  Carrier,
  CoalesceConfig,
  Credential,
  ForwardResult,
  Gate,
  Upstream,
  UpstreamCall,
  WholeAnswer,
} from './ports.ts';
import type { RetryBudget } from './retry-budget.ts';
import { AnswerBudget, HeldAnswer } from './share-bounds.ts';
import { isForEqualReads, shareKeyOf } from './share-key.ts';
import { SharedReads } from './shared-reads.ts';

export interface CarrierOptions {
  /** With its retry budget the tries of the circuit breaker are bounded together with the repeats of calls. */
  readonly upstream: Pick<Upstream, 'forward' | 'ask' | 'epoch'> &
    Partial<Pick<Upstream, 'admit'>> & { readonly retries?: Pick<RetryBudget, 'take'>; longestWait?(): number };
  readonly gate: Gate;
  /** How equal reads share answers on a queue, asked for every read. */
  readonly settings: (queue: string) => CoalesceConfig;
  readonly clock: Clock;
  readonly report: Pick<Report, 'coalesced' | 'log'> & Partial<Pick<Report, 'upstreamCircuit'>>;
  /** Bytes of shared and stored answers in memory at once, of this process; default 64 MiB. Above it reads go by themselves. */
  readonly heldBytes?: number;
  /** Different reads that are known at once; default 2048. When as many are under way, others go by themselves. */
  readonly keys?: number;
  /** Bytes and number of answers in the micro-cache; default 16 MiB and 1024. */
  readonly cacheBytes?: number;
  readonly cacheEntries?: number;
}

/** A read on its way through the carrier. */
interface Read {
  readonly call: UpstreamCall;
  readonly credential: Credential;
  readonly response: ServerResponse;
  readonly config: CoalesceConfig;
  /** True when the answer is the same for every account. */
  readonly common: boolean;
  /** Milliseconds that an answer of its route may be used again; 0: not at all. */
  readonly life: number;
}

function lifeOf({ cache }: CoalesceConfig, route: string): number {
  for (const entry of cache) if (entry.route === route) return entry.life;
  return 0;
}

const NONE: readonly string[] = [];
const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD' || method === 'OPTIONS';

class SharingCarrier implements Carrier {
  readonly #options: CarrierOptions;
  readonly #way: PlainWay;
  readonly #shared: SharedReads;
  readonly #cache: MicroCache;
  readonly #budget: AnswerBudget;

  constructor(options: CarrierOptions) {
    const { clock, report, cacheBytes: bytes, cacheEntries: entries } = options;
    this.#options = options;
    this.#way = new PlainWay(options);
    this.#cache = new MicroCache({
      clock,
      ...(bytes === undefined ? {} : { bytes }),
      ...(entries === undefined ? {} : { entries }),
    });
    this.#budget = new AnswerBudget(options.heldBytes ?? 64 * 1024 * 1024, clock);
    this.#shared = new SharedReads({
      way: this.#way,
      cache: this.#cache,
      budget: this.#budget,
      clock,
      report,
      keys: options.keys ?? 2048,
    });
  }

  forward(call: UpstreamCall, credential: Credential, response: ServerResponse): Promise<ForwardResult> {
    if (call.method !== 'GET') {
      if (isSafe(call.method))
        return this.#way.alone(call, credential, response, call.method === 'HEAD' ? 'own' : null);
      return this.#write(call, () => this.#way.alone(call, credential, response, null));
    }
    try {
      const config = this.#options.settings(call.queue);
      if (config.join === 'off') return this.#way.alone(call, credential, response, 'own');
      const common = config.shared.includes(call.target);
      const life = config.cache.length === 0 ? 0 : lifeOf(config, call.route);
      if (!common && life === 0) return this.#plain(call, credential, response, config);
      const read: Read = { call, credential, response, config, common, life };
      // What another call brought is for those whom vovserver gave a JWT, as their own call would have been.
      const got = credential.get();
      return got instanceof Promise ? got.then(() => this.#choose(read)) : this.#choose(read);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async ask(call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer> {
    if (!isSafe(call.method)) return await this.#write(call, () => this.#ask(call, credential, maxBytes));
    const config = this.#options.settings(call.queue);
    const life = call.method === 'GET' && config.join !== 'off' ? lifeOf(config, call.route) : 0;
    if (life === 0) return await this.#ask(call, credential, maxBytes);
    const common = config.shared.includes(call.target);
    const key = this.#keyOf({ config, common }, call);
    if (key === null) return await this.#ask(call, credential, maxBytes);
    const ticket = this.#cache.begin(key);
    try {
      const answer = await this.#ask(call, credential, maxBytes);
      this.#keep(ticket, call, config, answer, life);
      return answer;
    } finally {
      this.#cache.lost(ticket);
    }
  }

  async #ask(call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer> {
    const taken = this.#way.take(call);
    return await this.#way.ask(taken instanceof Promise ? await taken : taken, call, credential, maxBytes);
  }

  /** Around a write: what is stored for its account ends as it begins, and again as it ends. */
  async #write<T>({ queue, account }: UpstreamCall, go: () => Promise<T>): Promise<T> {
    const changed = (): void => {
      this.#cache.changed({ queue, account });
      this.#cache.changed({ queue, account: null });
    };
    changed();
    try {
      return await go();
    } finally {
      changed();
    }
  }

  /** A read that is neither common nor cached: most are. */
  #plain(
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
    config: CoalesceConfig,
  ): Promise<ForwardResult> {
    const key = shareKeyOf(call, NONE, this.#options.upstream.epoch(call.queue));
    if (key === null) return this.#way.alone(call, credential, response, 'own');
    if (this.#shared.isUnshared(key)) return this.#way.alone(call, credential, response, 'too_large');
    const fresh = config.join === 'running' && wantsFresh(call);
    const read = { key, call, credential, response, config, common: false, miss: null, fresh };
    return this.#shared.forward(read) ?? this.#way.alone(call, credential, response, 'own');
  }

  #choose(read: Read): Promise<ForwardResult> {
    return read.life > 0 ? this.#cached(read) : this.#share(read, read.call, null, false);
  }

  /** A read of a route with a micro-cache. */
  #cached(read: Read): Promise<ForwardResult> {
    const { life } = read;
    const wish = readWish(read.call.rawHeaders);
    const call = wish.condition === null ? read.call : withoutCondition(read.call);
    const key = this.#keyOf(read, call);
    if (key === null || wish.noStore || this.#shared.isUnshared(key)) {
      const head = [...(read.call.head ?? []), 'cache-status', 'vovgw; fwd=bypass'];
      const alone = this.#way.alone({ ...read.call, head }, read.credential, read.response, 'own');
      return key === null ? alone : alone.finally(() => this.#cache.supersede(key));
    }
    const found = this.#cache.find(key, read.config.cache);
    if (found === null || found === 'stale') {
      return this.#share(read, call, { life, why: found ?? 'miss', condition: wish.condition }, wish.fresh);
    }
    const wanted = !wish.fresh && found.age <= wish.maxAge && found.ttl >= wish.minFresh;
    if (!wanted) return this.#share(read, call, { life, why: 'request', condition: wish.condition }, true);
    return Promise.resolve(this.#hit(read, found, wish));
  }

  /** Throws what `writeTagged` does. */
  #hit({ call, response }: Read, { stored, age, ttl }: Found, { condition }: ReadWish): ForwardResult {
    stored.held.hold(response);
    const result = writeTagged(call, stored, response, { status: `hit; ttl=${ttl}`, age, condition });
    this.#options.report.coalesced(call.queue, call.route, 'cached');
    return { ...result, seconds: 0, renewed: false };
  }

  /** `call` is what goes up, without what the gateway itself answers. */
  #share(read: Read, call: UpstreamCall, miss: CacheMiss | null, fresh: boolean): Promise<ForwardResult> {
    const { credential, response, config, common } = read;
    const key = this.#keyOf(read, call);
    const alone = (how: Alone) => this.#way.alone(call, credential, response, how);
    if (key === null) return alone('own');
    if (this.#shared.isUnshared(key)) return alone('too_large');
    return this.#shared.forward({ key, call, credential, response, config, common, miss, fresh }) ?? alone('own');
  }

  #keyOf({ config, common }: Pick<Read, 'config' | 'common'>, call: UpstreamCall): string | null {
    return shareKeyOf(call, common ? config.shared : NONE, this.#options.upstream.epoch(call.queue));
  }

  /** Stores what the gateway itself asked for, when it may be. */
  #keep(ticket: Ticket, call: UpstreamCall, config: CoalesceConfig, answer: WholeAnswer, life: number): void {
    const { queue, account } = call;
    const common = config.shared.includes(call.target);
    const owner = { queue, account: common ? null : account };
    const bytes = answer.body.length;
    const fits = bytes <= config.maxBytes && this.#budget.hasRoom(bytes) && isForEqualReads(answer.headers);
    const rest = fits ? storableLife(answer, life, common) : 0;
    if (rest === 0) {
      this.#cache.land(ticket, owner, null);
      return;
    }
    this.#budget.take(bytes);
    const held = new HeldAnswer(this.#budget, bytes);
    const tagged = tagAnswer(answer, this.#options.clock.now());
    this.#cache.land(ticket, owner, { ...tagged, life: rest, setting: config.cache, held });
    held.written();
  }
}

/** Under `join: running` who says no-cache still gets an answer that began after it came. */
const wantsFresh = ({ rawHeaders }: UpstreamCall): boolean => readWish(rawHeaders).fresh;

/**
 * Creates the way of calls to vovserver: each takes a turn right before it goes, none goes while vovserver does not answer
 * (circuit breaker), and equal reads share answers. With `join: next` an answer was observed after its request came: who
 * comes while a call runs waits for the next one, and for one key at most one is under way; with `join: running` it may be
 * older by one call. Only an answer of the micro-cache is older, and says so (Age). A lone caller is streamed to; an answer
 * for several is held in memory, up to a bound.
 */
export function createCarrier(options: CarrierOptions): Carrier {
  return new SharingCarrier(options);
}
