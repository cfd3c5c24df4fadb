const LIMIT_MS = 15_000;
const PAUSE_MS = 10;

/** Resolves with the first answer that is not false, null or undefined; errors count as "not yet". Rejects after 15 s. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | false | null | undefined> | T | false | null | undefined,
): Promise<T> {
  const end = Date.now() + LIMIT_MS;
  let last: unknown = null;
  while (Date.now() < end) {
    try {
      const found = await look();
      if (found !== false && found !== null && found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`waited in vain: ${what}`, { cause: last });
}
