import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { until } from '../stage.ts';
import type { ClientReport, ClientSpec, FromClient, ToClient } from './client.ts';

/** Waiting clients in several processes. */
export interface Crowd {
  /** Tells everyone of a job to wait for. */
  job(jobId: string): void;
  /** Ends all and gives what they saw. */
  stop(): Promise<ClientReport[]>;
}

/** Starts clients, spread over `processes`; resolves when all wait or read. */
export async function startCrowd(specs: readonly ClientSpec[], processes: number): Promise<Crowd> {
  const children: ChildProcess[] = [];
  const ready = new Map<number, number>();
  const reports: ClientReport[] = [];
  for (let at = 0; at < processes; at++) {
    const clients = specs.filter((_, index) => index % processes === at);
    if (clients.length === 0) continue;
    const child = fork(join(import.meta.dirname, 'client.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.on('message', (message: FromClient) => {
      if (message.kind === 'ready') ready.set(at, message.count);
      else reports.push(...message.clients);
    });
    children.push(child);
    child.send({ kind: 'start', clients } satisfies ToClient);
  }
  const isReady = (): boolean | null => [...ready.values()].reduce((sum, n) => sum + n, 0) === specs.length || null;
  await until('clients wait', isReady, 60);
  const tell = (message: ToClient): void => {
    for (const child of children) child.send(message);
  };
  return {
    job: (jobId) => tell({ kind: 'job', jobId }),
    async stop() {
      tell({ kind: 'stop' });
      await until('reports', () => reports.length === specs.length || null, 60);
      for (const child of children) child.disconnect();
      return reports;
    },
  };
}
