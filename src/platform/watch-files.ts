import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../kernel/index.ts';

export interface WatchOptions {
  readonly clock: Clock;
  /** Milliseconds between two looks; 2000 when not given. */
  readonly intervalMs?: number;
}

/** What was seen of a file: `stamp` tells cheaply whether to read it again, `digest` is what counts. */
interface Seen {
  readonly stamp: string;
  readonly digest: string;
}

const DEFAULT_INTERVAL_MS = 2000;

const digestOf = (content: Buffer): string => createHash('sha256').update(content).digest('base64');

/** A file that cannot be read is a state like any other: its coming and going are changes. */
function unreadable(error: unknown): string {
  return `unreadable ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}`;
}

function look(path: string): Seen {
  try {
    return { stamp: '', digest: digestOf(readFileSync(path)) };
  } catch (error) {
    return { stamp: '', digest: unreadable(error) };
  }
}

/** Follows symbolic links, as Kubernetes swaps them; the stamp then shows another inode. */
async function lookAgain(path: string, last: Seen | undefined): Promise<Seen> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const stamp = [dev, ino, size, mtimeNs, ctimeNs].join(':');
    if (last?.stamp === stamp) return last;
    return { stamp, digest: digestOf(await readFile(path)) };
  } catch (error) {
    return { stamp: '', digest: unreadable(error) };
  }
}

/**
 * Calls `onChange` when the content of one of `paths` has changed and then stayed the same for one more look, so that
 * a half-written file is not taken. What counts is the difference to the moment of the call: watch first, then read.
 */
export function watchFiles(paths: readonly string[], options: WatchOptions, onChange: () => void): Disposable {
  const { clock, intervalMs = DEFAULT_INTERVAL_MS } = options;
  const summary = (seen: readonly Seen[]): string => seen.map(({ digest }) => digest).join('\n');
  let seen: Seen[] = paths.map(look);
  let told = summary(seen);
  let candidate: string | null = null;
  let looking = false;
  let stopped = false;
  const judge = (now: string): void => {
    if (now === told) candidate = null;
    else if (now !== candidate) {
      candidate = now;
      // The stamp may be too coarse for two writes in a row: the next look reads again.
      seen = seen.map(({ digest }) => ({ stamp: '', digest }));
    } else {
      told = now;
      candidate = null;
      onChange();
    }
  };
  const poll = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    seen = await Promise.all(paths.map((path, index) => lookAgain(path, seen[index])));
    looking = false;
    if (!stopped) judge(summary(seen));
  };
  const timer = clock.every(intervalMs, () => void poll());
  return {
    [Symbol.dispose]() {
      stopped = true;
      timer[Symbol.dispose]();
    },
  };
}
