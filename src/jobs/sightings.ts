/** Jobs whose last state this process remembers. */
const REMEMBERED = 20_000;
/** Writes at once, and how many jobs may wait for theirs. */
const AT_ONCE = 4;
const WAITING = 2000;
/** A state is a word of vovserver; anything longer is cut. */
const LONGEST = 40;

/** Passes on what jobs were seen as: once for each change, few at a time. */
export interface Sightings {
  /** Never throws. */
  saw(queue: string, jobId: string, status: string): void;
}

interface Sighting {
  readonly queue: string;
  readonly jobId: string;
  readonly status: string;
}

/** Creates them; a write that fails or finds no room is tried again when the job is seen again. */
export function createSightings(write: (queue: string, jobId: string, status: string) => Promise<void>): Sightings {
  const last = new Map<string, string>();
  const waiting = new Map<string, Sighting>();
  /** A job whose state is being written: its next one waits, or it would be lost against this one. */
  const running = new Set<string>();

  const remember = (key: string, status: string): void => {
    last.delete(key);
    last.set(key, status);
    if (last.size <= REMEMBERED) return;
    for (const oldest of last.keys()) {
      last.delete(oldest);
      return;
    }
  };

  const next = (): void => {
    for (const [key, sighting] of waiting) {
      if (running.size >= AT_ONCE) return;
      if (running.has(key)) continue;
      waiting.delete(key);
      running.add(key);
      void write(sighting.queue, sighting.jobId, sighting.status)
        .catch(() => void last.delete(key))
        .finally(() => {
          running.delete(key);
          next();
        });
    }
  };

  return {
    saw(queue, jobId, status) {
      const key = JSON.stringify([queue, jobId]);
      const word = status.slice(0, LONGEST);
      if (word === '' || last.get(key) === word) return;
      if (!waiting.has(key) && waiting.size >= WAITING) return;
      remember(key, word);
      waiting.delete(key);
      waiting.set(key, { queue, jobId, status: word });
      next();
    },
  };
}
