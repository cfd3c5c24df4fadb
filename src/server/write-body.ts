import type { ServerResponse } from 'node:http';
import type { Clock } from '../kernel/index.ts';

/** So many bytes are written at once: that its reader took one of them is seen. */
const PIECE = 65_536;
/** Milliseconds in which a reader must take something. */
const STALL = 30_000;

/** Resolves when the reader took what was written, or is gone: true; false when it took nothing for too long. */
function taken(response: ServerResponse, event: 'drain' | 'finish', clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.after(STALL, () => end(false));
  const good = (): void => end(true);
  const end = (result: boolean): void => {
    timer[Symbol.dispose]();
    response.off(event, good);
    response.off('close', good);
    resolve(result);
  };
  response.once(event, good);
  response.once('close', good);
  return promise;
}

/** Ends a response with a body, as its reader takes it; who takes nothing for half a minute is cut: false. Never throws. */
export async function writeBody(response: ServerResponse, body: Buffer, clock: Clock): Promise<boolean> {
  const cut = (): false => {
    response.destroy();
    return false;
  };
  let at = 0;
  for (; body.length - at > PIECE && !response.destroyed; at += PIECE) {
    if (response.write(body.subarray(at, at + PIECE)) || response.destroyed) continue;
    if (!(await taken(response, 'drain', clock))) return cut();
  }
  if (response.destroyed) return true;
  const finished = taken(response, 'finish', clock);
  response.end(body.subarray(at));
  return (await finished) || cut();
}
