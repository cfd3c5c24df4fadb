import type { Clock } from '../kernel/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { recordFields } from './maintenance-store.ts';

/** A planned failover under way: every replica holds submissions back, lets those under way end, and switches. */
export interface FailoverOrder {
  readonly queue: string;
  readonly id: string;
  /** The candidate; null: the next one in order that is accepted. */
  readonly to: string | null;
  /** Milliseconds that submissions under way get. */
  readonly waitMs: number;
  /** When it is over whatever happened, milliseconds since the epoch. */
  readonly until: number;
}

/** The candidate that the replicas of a queue switched to. */
export interface FailoverChoice {
  /** Id of the order. */
  readonly id: string;
  readonly origin: string;
  readonly at: number;
}

/** What a replica made of an order. */
export interface FailoverAnswer {
  /** Host name and process of the replica. */
  readonly replica: string;
  /** The server that it uses now; null when it did not switch. */
  readonly origin: string | null;
  /** Submissions that were still under way when it switched. */
  readonly unfinished: number;
  /** Why it did not switch; empty when it did. */
  readonly reason: string;
  /** True when the server has not told its queue name yet: it is checked at the first login. */
  readonly unnamed?: boolean;
}

/** Where planned failovers are ordered and answered. Every call throws StoreUnavailable. */
export interface FailoverStore {
  /** False when another one is under way. */
  begin(order: FailoverOrder): Promise<boolean>;
  find(queue: string): Promise<FailoverOrder | null>;
  /** Ends this order; submissions go on. */
  end(order: FailoverOrder): Promise<void>;
  /** Keeps what the first replica switched to; gives what counts: the choice that another made under this order before. */
  choose(queue: string, choice: FailoverChoice): Promise<FailoverChoice>;
  choice(queue: string): Promise<FailoverChoice | null>;
  /** Forgets a choice that no longer holds. */
  forget(queue: string, choice: FailoverChoice): Promise<void>;
  answer(order: FailoverOrder, replica: string, answer: FailoverAnswer): Promise<void>;
  /** The answer of a replica by its key; null: none yet. */
  answerOf(order: FailoverOrder, replica: string): Promise<FailoverAnswer | null>;
}

/** Where changes are told. */
export const FAILOVER_CHANNEL = 'failover';
const ANSWER_LIFE = 600_000;

export const orderKey = (queue: string): string => `failover:{${queue}}`;
export const choiceKey = (queue: string): string => `failover:{${queue}}:chosen`;
const answerKey = ({ queue, id }: FailoverOrder, replica: string): string => `failover:{${queue}}:${id}:${replica}`;

/** Reads an order; null for none, one that is over or a damaged one. */
export function readOrder(queue: string, text: string | null, now: number): FailoverOrder | null {
  const { id, to, waitMs, until } = recordFields(text) ?? {};
  if (typeof id !== 'string' || typeof waitMs !== 'number' || typeof until !== 'number' || until <= now) return null;
  return to === null || typeof to === 'string' ? { queue, id, to, waitMs, until } : null;
}

/** Reads a choice; null for none or a damaged one. */
export function readChoice(text: string | null): FailoverChoice | null {
  const { id, origin, at } = recordFields(text) ?? {};
  return typeof id === 'string' && typeof origin === 'string' && typeof at === 'number' ? { id, origin, at } : null;
}

function readAnswer(text: string | null): FailoverAnswer | null {
  const { replica, origin, unfinished, reason, unnamed } = recordFields(text) ?? {};
  if (typeof replica !== 'string' || typeof unfinished !== 'number' || typeof reason !== 'string') return null;
  if (origin !== null && typeof origin !== 'string') return null;
  return { replica, origin, unfinished, reason, ...(unnamed === true ? { unnamed } : {}) };
}

const orderText = ({ id, to, waitMs, until }: FailoverOrder): string => JSON.stringify({ id, to, waitMs, until });

/** Orders and answers in the store that all replicas share. */
export function createFailoverStore({ kv, clock }: { readonly kv: KeyValue; readonly clock: Clock }): FailoverStore {
  const tell = (queue: string): Promise<void> => kv.publish(FAILOVER_CHANNEL, queue);
  return {
    async begin(order) {
      const life = Math.max(1, Math.ceil(order.until - clock.now()));
      const begun = await kv.set(orderKey(order.queue), orderText(order), life, { onlyIfAbsent: true });
      if (begun) await tell(order.queue);
      return begun;
    },
    async find(queue) {
      return readOrder(queue, await kv.get(orderKey(queue)), clock.now());
    },
    async end(order) {
      await kv.compareAndSet(orderKey(order.queue), orderText(order), null, null);
      await tell(order.queue);
    },
    async choose(queue, choice) {
      for (;;) {
        const text = await kv.get(choiceKey(queue));
        const standing = readChoice(text);
        if (standing?.id === choice.id) return standing;
        if (await kv.compareAndSet(choiceKey(queue), text, JSON.stringify(choice), null)) {
          await tell(queue);
          return choice;
        }
      }
    },
    async choice(queue) {
      return readChoice(await kv.get(choiceKey(queue)));
    },
    async forget(queue, choice) {
      await kv.compareAndSet(choiceKey(queue), JSON.stringify(choice), null, null);
    },
    async answer(order, replica, answer) {
      await kv.set(answerKey(order, replica), JSON.stringify(answer), ANSWER_LIFE);
    },
    async answerOf(order, replica) {
      return readAnswer(await kv.get(answerKey(order, replica)));
    },
  };
}
