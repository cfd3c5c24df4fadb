import type { AccountWatch } from './account-watch.ts';
import type { JobChange, JobNews, NewsAsk, NewsReader } from './ports.ts';
import { createSerial } from './serial.ts';
import type { Drain } from './wait.ts';

interface ReadingParts {
  readonly watch: AccountWatch;
  readonly drain: Drain;
  /** What is given back at the end. */
  readonly held: readonly Disposable[];
}

/** News are made once for all who read the same, so that their text is, too. */
const made = new WeakMap<readonly JobChange[], JobNews>();

function newsOf(queue: string, changes: readonly JobChange[], head: string): JobNews {
  const news = made.get(changes) ?? { queue, changes, head };
  made.set(changes, news);
  return news;
}

/** Lets a reader read the changes of one's jobs, beginning after the one that was asked for. */
export function createReading(ask: NewsAsk, reader: NewsReader, { watch, drain, held }: ReadingParts): Disposable {
  const { account, identity, after } = ask;
  const inTurn = createSerial();
  let open = true;
  const pass = (changes: readonly JobChange[], head: string): void => {
    if (open && changes.length > 0) reader.read(newsOf(account.queue, changes, head));
  };
  const give = (changes: readonly JobChange[], head: string): void => {
    // Synchronous on a personal account: all is one's own.
    if (!account.shared) pass(changes, head);
    else void inTurn(async () => pass(await watch.ownOf(changes, identity), head));
  };
  const { table } = watch.watcher ?? {};
  const head = table?.head ?? '';
  const missed = after === null ? [] : (table?.after(after) ?? null);
  reader.begin(
    after === null ? 'new' : missed === null ? 'reset' : 'resumed',
    missed === null || after === null ? head : after,
  );
  if (missed !== null) give(missed, head);
  // What was seen right before this reading began may be told only now, once the other replicas know of it.
  let begun: string | null = head;
  const news = (changes: readonly JobChange[], last: string): void => {
    const at = begun === null ? -1 : changes.findIndex(({ id }) => id === begun);
    if (changes.length > 0) begun = null;
    give(at < 0 ? changes : changes.slice(at + 1), last);
  };
  const listening = watch.listen({ news });
  const draining = drain.onDrain(() => {
    if (open) reader.end();
  });
  return {
    [Symbol.dispose]() {
      open = false;
      for (const one of [listening, draining, ...held]) one[Symbol.dispose]();
    },
  };
}
