import { ALL, type Jobs, PEOPLE, type Person, type Seen, type Sender } from './farm.ts';

interface Reply {
  readonly columns?: readonly { readonly field: string }[];
  readonly rows?: readonly (readonly unknown[])[];
  readonly errmsg?: string;
  readonly errormsg?: string;
}

/** Columns that change by themselves with time. */
const MOVING = /^(?:age|agepp|duration|durationpp)$/;
const fold = (name: string): string => name.toLowerCase().replaceAll('_', '');

function replyOf(body: string): Reply | null {
  try {
    return JSON.parse(Buffer.from(body, 'latin1').toString()) as Reply;
  } catch {
    return null;
  }
}

/** Looks for what belongs to others in what somebody got: their random texts anywhere, their job ids in rows. */
export function createLeakFinder(jobs: Jobs) {
  const secretsOf = new Map(ALL.map((who) => [who, ALL.filter((o) => o !== who).flatMap((o) => jobs.secrets[o])]));
  const idsOf = new Map(
    ALL.map((who) => [who, new Set(ALL.filter((o) => o !== who).flatMap((o) => [...jobs.ids[o]]))]),
  );
  return (who: Person, { all, body, status }: Seen): string | null => {
    // Every random text begins with these two letters; most answers to others have none.
    if (all.includes('zq')) {
      const found = secretsOf.get(who)?.find((text) => all.includes(text));
      if (found !== undefined) return `the text ${found}`;
    }
    if (status >= 300) return null;
    const foreign = idsOf.get(who);
    const reply = replyOf(body);
    const cells = reply === null ? body.split(/[^0-9]+/) : (reply.rows ?? []).flat();
    const id = cells.find((cell) => foreign?.has(Number(cell)));
    return id === undefined ? null : `the job ${String(id)}`;
  };
}

/** Rows of a reply without what time changes. */
function steady({ columns = [], rows = [] }: Reply, width: number): string[] {
  const places = columns.slice(0, width).flatMap(({ field }, at) => (MOVING.test(fold(field)) ? [] : [at]));
  return rows.map((cells) => JSON.stringify(places.map((at) => cells[at])));
}

/** What somebody should see of a query by the stand-in's own word; null for one that it does not answer. */
async function truth(direct: Sender, jwt: string, query: string, own: ReadonlySet<number>, most: number) {
  const parts = new URLSearchParams(query);
  const limit = Number(parts.get('limit') ?? most);
  parts.set('select', `${parts.get('select') ?? '*'},idint`);
  parts.set('limit', '1000000');
  parts.set('format', 'json');
  const { status, body } = await direct.send({ path: `/api/v3/query?${parts}` }, jwt);
  const reply = replyOf(body);
  if (status !== 200 || reply === null || (reply.errmsg ?? reply.errormsg ?? '') !== '') return null;
  const { columns = [], rows = [] } = reply;
  const mine = rows.filter((cells) => own.has(Number(cells.at(-1)))).slice(0, limit);
  return {
    rows: steady({ columns, rows: mine }, columns.length - 1),
    columns: columns.slice(0, -1).map(({ field }) => field),
  };
}

const csvLines = (body: string): number => {
  let lines = 0;
  let inQuotes = false;
  for (const char of body) {
    if (char === '"') inQuotes = !inQuotes;
    else if (char === '\n' && !inQuotes) lines += 1;
  }
  return lines;
};

/** How an answer to a plain query compares with the truth: null when it is complete, undefined when the stand-in knows none. */
export async function lacking(
  seen: Seen,
  query: string,
  who: Person,
  jobs: Jobs,
  server: { readonly direct: Sender; readonly jwts: ReadonlyMap<string, string>; readonly defaultLimit: number },
): Promise<string | null | undefined> {
  // vovserver's own limit holds where it was told nothing else; on a shared account the gateway tells it more.
  const isShared = PEOPLE[who] === 'team';
  const most = isShared || server.defaultLimit === 0 ? 1_000_000 : server.defaultLimit;
  const wanted = await truth(server.direct, server.jwts.get(PEOPLE[who]) ?? '', query, jobs.ids[who], most);
  if (wanted === null) return undefined;
  if (seen.status !== 200) return `${seen.status} ${seen.body.slice(0, 200)}`;
  const format = new URLSearchParams(query).get('format') ?? 'json';
  if (format !== 'json') {
    const lines = csvLines(seen.body) - (format === 'csv' ? 1 : 0);
    return lines === wanted.rows.length ? null : `${lines} lines for ${wanted.rows.length}`;
  }
  const reply = replyOf(seen.body);
  if (reply === null) return 'no JSON';
  const columns = (reply.columns ?? []).map(({ field }) => field);
  if (columns.join() !== wanted.columns.join()) return `columns ${columns.join()} for ${wanted.columns.join()}`;
  const rows = steady(reply, columns.length);
  return JSON.stringify(rows) === JSON.stringify(wanted.rows) ? null : `${rows.length} rows for ${wanted.rows.length}`;
}

/** True for an answer that holds rows. */
export const hasRows = ({ status, body }: Seen): boolean => status === 200 && /"rows":\[\[|^[^{].*\r\n/.test(body);
