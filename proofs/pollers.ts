import { Agent, request } from 'undici';
import { pause } from './pace.ts';

/** What the pollers of one proof met. */
export interface Polls {
  calls: number;
  /** Calls that were not 2xx or did not end, by what they were. */
  readonly failures: Map<string, number>;
  /** Milliseconds of each call. */
  readonly times: number[];
}

/** Who polls: a user with a token. */
export interface Poller {
  readonly user: string;
  readonly token: string;
}

/** Adds one to what is counted under `key`. */
export function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Text of counts, for a table. */
export function counted(counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? '0' : [...counts].map(([key, n]) => `${n} × ${key}`).join(', ');
}

/** One GET with an access token; the status, or the name of the failure. Reads the whole answer. */
export async function get(agent: Agent, url: string, token: string): Promise<{ what: string; body: string }> {
  try {
    const answer = await request(url, { dispatcher: agent, headers: { authorization: `Bearer ${token}` } });
    return { what: String(answer.statusCode), body: await answer.body.text() };
  } catch (error) {
    return { what: error instanceof Error && 'code' in error ? String(error.code) : String(error), body: '' };
  }
}

/**
 * Lets every poller call `path` on the gateways in turn, one call each `intervalMs`, for `seconds`. What is not 200
 * counts as a failure, with its error code when there is one.
 */
export async function poll(
  pollers: readonly Poller[],
  gateways: readonly string[],
  path: string,
  options: { seconds: number; intervalMs: number; agent?: Agent },
): Promise<Polls> {
  const agent = options.agent ?? new Agent({ connections: 16 });
  const polls: Polls = { calls: 0, failures: new Map(), times: [] };
  const end = Date.now() + options.seconds * 1000;
  const one = async (poller: Poller, at: number): Promise<void> => {
    for (let turn = at; Date.now() < end; turn++) {
      const started = performance.now();
      const { what, body } = await get(agent, `${gateways[turn % gateways.length]}${path}`, poller.token);
      const took = performance.now() - started;
      polls.calls++;
      polls.times.push(took);
      if (what !== '200') count(polls.failures, `${what} ${/GW_[A-Z_]+/.exec(body)?.[0] ?? ''}`.trim());
      await pause(Math.max(0, options.intervalMs - took));
    }
  };
  await Promise.all(pollers.map(one));
  if (options.agent === undefined) await agent.close();
  return polls;
}
