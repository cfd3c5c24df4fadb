import { write } from 'node:fs';
import type { Clock } from '../kernel/index.ts';

/** Lines wait for company at most this long, milliseconds. */
const FLUSH_AFTER = 100;
const RETRY_AFTER = 20;
const FLUSH_LIMIT = 2000;
/** Handing a batch to the system costs about as much as five requests: under load the time decides, not the size. */
const BUFFER = 1_048_576;
/** A blocked reader must not eat the memory: above it new lines are lost, UTF-16 units. */
const BACKLOG = 8 * 1024 * 1024;

/** Where log lines go. */
export interface Sink {
  write(line: string): void;
  /** Resolves when everything was written or lost, or after 2 s. */
  flush(): Promise<void>;
}

const retryable = (error: NodeJS.ErrnoException): boolean => error.code === 'EAGAIN' || error.code === 'EBUSY';

/**
 * Writes lines to a file descriptor in batches, without blocking and in order. A batch that the system refuses
 * (no space, no reader) is lost and counted through `onLost`; the next one is tried again.
 */
// Not SonicBoom: its flushSync, which pino also runs at exit, never returns after ENOSPC or EPIPE.
export function createFdSink(fd: number, clock: Clock, onLost: (lines: number) => void): Sink {
  let waiting: string[] = [];
  let size = 0;
  let writing = false;
  let timer: Disposable | null = null;
  let idle: (() => void)[] = [];

  const send = (bytes: Buffer, lines: number): void => {
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error && retryable(error)) {
        // An own timer that keeps the process alive: what was promised to flush() is still to be written.
        setTimeout(() => send(bytes, lines), RETRY_AFTER);
      } else if (error) {
        onLost(lines);
        next();
      } else if (written < bytes.length) {
        send(bytes.subarray(written), lines);
      } else {
        next();
      }
    });
  };

  const next = (): void => {
    timer?.[Symbol.dispose]();
    timer = null;
    writing = waiting.length > 0;
    if (!writing) {
      for (const done of idle.splice(0)) done();
      return;
    }
    const lines = waiting;
    waiting = [];
    size = 0;
    send(Buffer.from(lines.join('')), lines.length);
  };

  return {
    write(line) {
      if (size > BACKLOG) return onLost(1);
      waiting.push(line);
      size += line.length;
      if (writing) return;
      if (size >= BUFFER) next();
      else timer ??= clock.after(FLUSH_AFTER, next);
    },
    flush() {
      if (!writing && waiting.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const limit = setTimeout(resolve, FLUSH_LIMIT);
        idle = [
          ...idle,
          () => {
            clearTimeout(limit);
            resolve();
          },
        ];
        if (!writing) next();
      });
    },
  };
}
