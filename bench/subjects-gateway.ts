import { execFileSync } from 'node:child_process';
import { type GatewayProcess, setStage } from '../proofs/stage.ts';

/** The gateway under measure, with an access token that works on it. */
export interface GatewaySubject extends AsyncDisposable {
  readonly port: number;
  readonly token: string;
  readonly process: GatewayProcess;
}

/** Moves a process with all its threads to one core. */
function pin(pid: number | string | undefined, core: string): void {
  execFileSync('taskset', ['-acp', core, String(pid)], { stdio: 'ignore' });
}

/**
 * Starts a gateway as in production: access token, rate limits in Redis, metrics and request log on; the limits so high
 * that nothing is refused. The gateway runs on `core`, Redis on `redisCore`.
 */
export async function startGatewaySubject(target: string, core: string, redisCore: string): Promise<GatewaySubject> {
  const stage = await setStage();
  const info = String(await stage.redis.command('INFO', 'server'));
  pin(/process_id:(\d+)/.exec(info)?.[1], redisCore);
  await stage.setPassword('alice', 'pw-alice');
  const enough = { requests: 100_000_000, window: '60s' };
  const gateway = await stage.gateway({
    queues: [{ name: 'bench', urls: [target], allowInsecure: true, connections: { perAccount: 64 } }],
    // Turns are taken, and as with the rate limits nobody waits for one: the other contenders limit nothing either.
    limits: {
      identity: { all: enough },
      address: enough,
      lanes: { mode: 'fixed', read: { concurrency: 64, most: 64 }, list: { concurrency: 64, most: 64 } },
    },
  });
  pin(gateway.child.pid, core);
  return {
    port: Number(new URL(gateway.url).port),
    token: await stage.token(gateway, 'alice'),
    process: gateway,
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}
