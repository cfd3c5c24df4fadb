import type { createFigures } from '../figures.ts';
import { pause } from '../pace.ts';
import { count, counted } from '../pollers.ts';
import { type Answer, type Office, PERSON } from './office.ts';

type Figures = ReturnType<typeof createFigures>;

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

const wordOf = ({ status, body }: Answer): string => (status === 200 ? 'token' : `${status} ${String(body.error)}`);

async function begin(
  office: Office,
): Promise<{ readonly device: string; readonly page: string; readonly interval: number }> {
  const { status, body } = await office.post(office.replicas[0]?.url ?? '', '/oauth/device_authorization', {
    client_id: 'vovgw',
    host: 'proof',
  });
  if (status !== 200) throw new Error(`device_authorization: ${status} ${JSON.stringify(body)}`);
  return {
    device: String(body.device_code),
    page: String(body.verification_uri_complete),
    interval: Number(body.interval),
  };
}

const poll = (office: Office, base: string, device: string): Promise<Answer> =>
  office.post(base, '/oauth/token', { grant_type: GRANT, client_id: 'vovgw', device_code: device });

/** What each slow_down adds (RFC 8628, section 3.5), seconds. */
const SLOWER_BY = 5;

/** A client that polls too fast, each time from another replica: the interval grows by 5 s with each slow_down. */
export async function proveSlowDown(office: Office, figures: Figures): Promise<void> {
  const { device, interval } = await begin(office);
  const bases = office.replicas.map(({ url }) => url);
  const ask = async (at: number): Promise<string> => wordOf(await poll(office, bases[at % bases.length] ?? '', device));
  // After two slow_down the interval is 10 s longer; a poll that waits 5 s longer only is still too early.
  const steps: readonly (readonly [after: number, promised: string])[] = [
    [0, '400 authorization_pending'],
    [interval / 5, '400 slow_down'],
    [interval + 1, '400 slow_down'],
    [interval + SLOWER_BY + 1, '400 slow_down'],
    [interval + 3 * SLOWER_BY, '400 authorization_pending'],
  ];
  for (const [at, [after, promised]] of steps.entries()) {
    await pause(after * 1000);
    const seen = await ask(at);
    figures.add(`interval ${interval} s: a poll ${after} s after the one before`, promised, seen, seen === promised);
  }
}

/** Several polls on several replicas at the moment of each approval, and after it: one gets the token. */
export async function proveOneToken(office: Office, figures: Figures, rounds: number, pollers: number): Promise<void> {
  const perRound: number[] = [];
  const words = new Map<string, number>();
  let polls = 0;
  for (let round = 0; round < rounds; round++) {
    const { device, page } = await begin(office);
    const tokens = new Set<string>();
    const one = async (at: number): Promise<void> => {
      const answer = await poll(office, office.replicas[at % office.replicas.length]?.url ?? '', device);
      polls++;
      count(words, wordOf(answer));
      if (answer.status === 200) tokens.add(String(answer.body.access_token));
    };
    const volley = async (): Promise<void> =>
      void (await Promise.all(Array.from({ length: pollers }, (_, at) => one(at))));
    const approve = await office.approval(page, PERSON);
    // Each round at another moment around the approval, then until one has it, and once more.
    const approved = pause(round % 10).then(approve);
    await volley();
    const { status } = await approved;
    if (status !== 200) count(words, `approval ${status}`);
    for (let more = 0; more < 3 && tokens.size === 0; more++) await volley();
    await volley();
    perRound.push(tokens.size);
  }
  const wrong = perRound.filter((n) => n !== 1).length;
  figures.add(
    `${rounds} approvals, ${pollers} polls at that moment on ${office.replicas.length} replicas: with other than one token`,
    '0',
    `${wrong} (${polls} polls: ${counted(words)})`,
    wrong === 0,
  );
}

/** An approval goes through, and leads to one token, while programs poll without pause. */
export async function proveHammered(office: Office, figures: Figures, rounds: number, pollers: number): Promise<void> {
  let polls = 0;
  let tokens = 0;
  const answers = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const { device, page } = await begin(office);
    const approve = await office.approval(page, PERSON);
    let open = true;
    const one = async (at: number): Promise<void> => {
      while (open) {
        const { status } = await poll(office, office.replicas[at % office.replicas.length]?.url ?? '', device);
        polls++;
        if (status === 200) tokens++;
      }
    };
    const all = Promise.all(Array.from({ length: pollers }, (_, at) => one(at)));
    count(answers, String((await approve()).status));
    await pause(200);
    open = false;
    await all;
  }
  figures.add(
    `${rounds} approvals under ${pollers} polls without pause: answers, tokens`,
    `200, ${rounds}`,
    `${counted(answers)}, ${tokens} (${polls} polls)`,
    answers.size === 1 && answers.has('200') && tokens === rounds,
  );
}
