import type { AccountWatch } from './account-watch.ts';
import type { JobChange, JobNews, NewsAsk, NewsReader } from './ports.ts';
import type { OwnedChange, SharedListener, SharedNews } from './shared-news.ts';
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

type Give = (changes: readonly JobChange[], head: string) => void;

interface Part {
  /** Takes the changes of a look of which the reader has not begun before. */
  readonly news: (changes: readonly JobChange[], begun: number, head: string) => void;
  readonly missed: Give;
  readonly listening: Disposable | null;
}

/** On a personal account all changes are one's own. */
const readPersonal = (give: Give): Part => ({
  news: (changes, begun, head) => give(begun < 0 ? changes : changes.slice(begun + 1), head),
  missed: give,
  listening: null,
});

/** On a shared account the changes come when it is known whose they are. */
function readShared(shared: SharedNews, subject: string, give: Give, onLost: (head: string) => void): Part {
  const began = shared.tick;
  const skipped = new Set<JobChange>();
  const wanted = new Set<JobChange>();
  const isMine = ({ source, tick }: OwnedChange): boolean => {
    // Once, though others may have missed it, too.
    return wanted.delete(source) || (tick > began && !skipped.has(source));
  };
  const told: SharedListener['told'] = (bySubject, head) => {
    const { changes, owned } = bySubject.get(subject) ?? { changes: [], owned: [] };
    const mine = owned.filter(isMine);
    // All who read the same share its bytes.
    give(mine.length === owned.length ? changes : mine.map(({ change }) => change), head);
  };
  return {
    listening: shared.listen({ told, lost: onLost }),
    news(changes, begun) {
      for (const change of changes.slice(0, begun + 1)) skipped.add(change);
    },
    missed(changes, head) {
      for (const change of changes) wanted.add(change);
      shared.missed(changes, head);
    },
  };
}

/** Lets a reader read the changes of one's jobs, beginning after the one that was asked for. */
export function createReading(ask: NewsAsk, reader: NewsReader, { watch, drain, held }: ReadingParts): Disposable {
  const { account, identity, after } = ask;
  let open = true;
  const give: Give = (changes, head) => {
    if (open && changes.length > 0) reader.read(newsOf(account.queue, changes, head));
  };
  const reset = (head: string): void => {
    if (open) reader.begin('reset', head);
  };
  const part = account.shared ? readShared(watch.shared, identity.subject, give, reset) : readPersonal(give);
  const { table } = watch.watcher ?? {};
  const head = table?.head ?? '';
  const missed = after === null ? [] : (table?.after(after) ?? null);
  reader.begin(
    after === null ? 'new' : missed === null ? 'reset' : 'resumed',
    missed === null || after === null ? head : after,
  );
  if (missed !== null && missed.length > 0) part.missed(missed, head);
  // What was seen right before this reading began may be told only now, once the other replicas know of it.
  let begun: string | null = head;
  const news = (changes: readonly JobChange[], last: string, isReset: boolean): void => {
    const at = begun === null ? -1 : changes.findIndex(({ id }) => id === begun);
    if (changes.length > 0) begun = null;
    part.news(changes, at, last);
    if (isReset) reset(last);
  };
  const listening = watch.listen({ news });
  const draining = drain.onDrain(() => {
    if (open) reader.end();
  });
  return {
    [Symbol.dispose]() {
      open = false;
      for (const one of [listening, part.listening, draining, ...held]) one?.[Symbol.dispose]();
    },
  };
}
