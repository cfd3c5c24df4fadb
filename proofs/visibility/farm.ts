import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pool } from 'undici';
import type { GatewayProcess, Stage, Standin } from '../stage.ts';

/** Who there is: ada and bob have accounts of their own, ann, ben and cat share `team`. */
export const PEOPLE = { ada: 'ada', bob: 'bob', ann: 'team', ben: 'team', cat: 'team' } as const;
export type Person = keyof typeof PEOPLE;
export const ALL = Object.keys(PEOPLE) as Person[];
export const ACCOUNTS = ['ada', 'bob', 'team'] as const;

/** A whole answer as its reader sees it. */
export interface Seen {
  readonly status: number;
  readonly body: string;
  /** Everything that came, headers too, one character for each byte. */
  readonly all: string;
}

export interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends calls to one server. */
export function createSender(url: string, connections: number) {
  const pool = new Pool(url, { connections, pipelining: 1 });
  return {
    async send({ method = 'GET', path, body, headers = {} }: Ask, authorization: string): Promise<Seen> {
      const answer = await pool.request({
        method: method as 'GET',
        path,
        headers: { authorization, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body }),
      });
      const text = Buffer.from(await answer.body.arrayBuffer()).toString('latin1');
      return { status: answer.statusCode, body: text, all: `${JSON.stringify(answer.headers)}\n${text}` };
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}
export type Sender = ReturnType<typeof createSender>;

/** What the people need to sign in, and gateways with some `jobs` section, and some way of sharing answers. */
export async function createGateways(stage: Stage, standin: Standin) {
  const teamPassword = join(stage.folder, 'team-password');
  await writeFile(teamPassword, 'pw-team', { mode: 0o600 });
  for (const name of ['ada', 'bob']) await stage.setPassword(name, `pw-${name}`);
  return (jobs: object, coalesce: object = {}): Promise<GatewayProcess> =>
    stage.gateway({
      queues: [{ name: 'proof', urls: [standin.url], allowInsecure: true, coalesce }],
      replicas: 2,
      credentials: [
        { type: 'shared', account: 'team', passwordFile: teamPassword },
        { type: 'file', dir: join(stage.folder, 'passwords') },
      ],
      identity: {
        rules: [
          { match: { userPattern: '(ann|ben|cat)' }, shared: 'team' },
          { match: { userPattern: '(ada|bob)' }, account: '$1' },
        ],
      },
      limits: { mode: 'off' },
      jobs,
      log: { level: 'error', requests: false },
    });
}

/** The jobs of everybody: ids, and the random texts that nobody else may see. */
export interface Jobs {
  readonly ids: Readonly<Record<Person, ReadonlySet<number>>>;
  readonly secrets: Readonly<Record<Person, readonly string[]>>;
}

const secret = (): string => `zq${randomBytes(9).toString('hex')}`;

/** Submits jobs through the gateway, people taking turns, so that their numbers lie between each other. */
export async function submitJobs(sender: Sender, tokens: ReadonlyMap<Person, string>, each: number): Promise<Jobs> {
  const ids = {
    ada: new Set<number>(),
    bob: new Set<number>(),
    ann: new Set<number>(),
    ben: new Set<number>(),
    cat: new Set<number>(),
  };
  const secrets = {
    ada: [] as string[],
    bob: [] as string[],
    ann: [] as string[],
    ben: [] as string[],
    cat: [] as string[],
  };
  for (let nth = 0; nth < each; nth += 1) {
    for (const who of ALL) {
      const texts = Array.from({ length: 9 }, secret);
      const [command, logfile, rundir, env, jobname, jobclass, resources, jobproj, setName] = texts;
      const job = {
        command: `run "${command}" é,${nth}\n`,
        logfile: `log.${logfile}`,
        rundir: `/proj/${rundir}`,
        env: `D(${env})`,
        jobname,
        jobclass,
        resources: `License:${resources}/1`,
        jobproj,
        setName: `Set:${setName}`,
        'priority,sched': 1 + (nth % 15),
      };
      const ask = { method: 'POST', path: '/api/v3/jobs', body: JSON.stringify(job) };
      const { status, body } = await sender.send(ask, tokens.get(who) ?? '');
      if (status !== 200) throw new Error(`submit: ${status} ${body}`);
      ids[who].add(Number((JSON.parse(body) as { jobid: unknown }).jobid));
      secrets[who].push(...texts);
    }
  }
  return { ids, secrets };
}
