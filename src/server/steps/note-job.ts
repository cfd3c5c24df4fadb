import { normalJobId, type Origins, seenStatus } from '../../jobs/index.ts';
import type { Clock } from '../../kernel/index.ts';
import type { Broker } from '../../tokens/index.ts';
import { AnswerTooLong, type Carrier, type WholeAnswer } from '../../upstream/index.ts';
import { answerWhole } from '../answer.ts';
import type { Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';

/** A job that was looked at within this time is read without being looked at again. */
const EVERY_MS = 10_000;
const REMEMBERED = 20_000;
/** Between two looks at whatever jobs, so that they cost next to nothing. */
const PACE_MS = 25;
/** A job has some kilobytes; whatever is longer goes as it came. */
const MOST_BYTES = 262_144;

const WHOLE_JOB = new Set(['/api/v3/jobs/{id}', '/api/v3/jobs/{id}/*']);
const JOB = /^\/api\/v3\/jobs\/([0-9]{1,12})(?:\/|$)/;
/** The answer to it is no whole one, or has no body. */
const PARTIAL = new Set(['range', 'if-none-match', 'if-modified-since']);

const isPlain = (rawHeaders: readonly string[]): boolean =>
  !rawHeaders.some((name, at) => at % 2 === 0 && PARTIAL.has(name.toLowerCase()));

/** `forward` carries what is too long to be held. */
function leaveLong(error: unknown): void {
  if (!(error instanceof AnswerTooLong)) throw error;
}

/**
 * Answers one in many reads of a job from memory, so that its state gets into the record of who submitted it, where it stays
 * when vovserver has forgotten the job. All others are streamed by `forward`, unread.
 */
export function createNoteJob(
  origins: Pick<Origins, 'saw'>,
  carrier: Pick<Carrier, 'ask'>,
  broker: Pick<Broker, 'credentialFor'>,
  clock: Clock,
): Step {
  const looked = new Map<string, number>();
  /** Looks under way: one may last longer than the time after which the next would be due. */
  const looking = new Set<string>();
  let last = Number.NEGATIVE_INFINITY;

  /** False also for a clock that was set back, until it has caught up or the time is over. */
  const isOver = (since: number, ms: number): boolean => Math.abs(clock.now() - since) >= ms;
  const isDue = (key: string): boolean => {
    if (looking.has(key) || !isOver(looked.get(key) ?? Number.NEGATIVE_INFINITY, EVERY_MS)) return false;
    last = clock.now();
    looked.delete(key);
    looked.set(key, last);
    if (looked.size <= REMEMBERED) return true;
    for (const oldest of looked.keys()) return looked.delete(oldest);
    return true;
  };

  return (scope) => {
    const { meta, route, account } = scope;
    if (meta.method !== 'GET' || !WHOLE_JOB.has(route?.template ?? '') || !isOver(last, PACE_MS)) return;
    if (scope.result !== null || account === null) return;
    const jobId = normalJobId(JOB.exec(scope.path)?.[1] ?? '');
    const call = upstreamCall(scope);
    if (jobId === null || call === null || !isPlain(call.rawHeaders)) return;
    const key = JSON.stringify([account.queue, jobId]);
    if (!isDue(key)) return;
    const note = (answer: WholeAnswer): void => {
      const status = seenStatus(answer);
      if (status !== null) origins.saw(account.queue, jobId, status);
      const { seconds, renewed } = answer;
      const bytesOut = answerWhole(scope.res, scope.head, answer);
      scope.result = { status: answer.status, bytesOut, seconds, renewed, complete: true };
    };
    const asked = carrier.ask(call, broker.credentialFor(account), MOST_BYTES);
    looking.add(key);
    return asked.finally(() => looking.delete(key)).then(note, leaveLong);
  };
}
