import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { until } from '../stage.ts';

/** A real haproxy in front of replicas: round robin for each request, no stickiness, X-Forwarded-For. */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
  /** Sends what replica `index` got to another address from now on. */
  point(index: number, url: string): Promise<void>;
}

/** Header of its answers that names the replica: r1, r2, … */
export const REPLICA = 'x-proof-replica';

const configOf = (port: number, socket: string, urls: readonly string[]): string => `global
  stats socket ${socket} mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 2
  option redispatch
  option http-server-close
frontend public
  bind 127.0.0.1:${port}
  option forwardfor
  http-response set-header ${REPLICA} %s
  default_backend replicas
backend replicas
  balance roundrobin
${urls.map((url, at) => `  server r${at + 1} ${new URL(url).host}`).join('\n')}
`;

/** Says to a running haproxy what its administrator would say on the stats socket. */
async function tell(socket: string, command: string): Promise<string> {
  const peer = connect(socket);
  await once(peer, 'connect');
  peer.end(`${command}\n`);
  return text(peer);
}

/** Starts it on `port` in front of `urls`; throws Error with what to install when there is none. */
export async function startBalancer(port: number, urls: readonly string[], folder: string): Promise<Balancer> {
  const [file, socket] = [join(folder, `haproxy-${port}.cfg`), join(folder, 'haproxy.sock')];
  await writeFile(file, configOf(port, socket, urls));
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const failed = once(child, 'error').then(([cause]) => {
    throw new Error('haproxy cannot be started; install it, for example: apt-get install haproxy', { cause });
  });
  const url = `http://127.0.0.1:${port}`;
  const up = until('haproxy', async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}; see ${file}`);
    return (await tell(socket, 'show info')).includes('Uptime') ? true : null;
  });
  await Promise.race([up, failed]);
  return {
    url,
    async point(index, to) {
      const { hostname, port: next } = new URL(to);
      const said = await tell(socket, `set server replicas/r${index + 1} addr ${hostname} port ${next}`);
      if (!said.includes('changed')) throw new Error(`haproxy: ${said}`);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
