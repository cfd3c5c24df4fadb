import type { Answer } from './ports.ts';
import type { KeptAnswer } from './record.ts';

const LARGEST = 65_536;
/** What belongs to the answer itself; all else (Date, request id, rate limits) belongs to the request that got it. */
const KEPT = new Set(['content-type', 'content-language', 'content-encoding', 'location']);
const REPLAYED = ['Idempotent-Replayed', 'true'] as const;

const jobIdBody = (jobId: string): Buffer => Buffer.from(JSON.stringify({ jobid: Number(jobId) }));

/** An answer as it is kept; one beyond 64 KiB as its job id alone. */
export function keepAnswer({ status, headers, body }: Answer, jobId: string): KeptAnswer {
  if (body.length > LARGEST) return keepAnswer(jobAnswer(status, jobId), jobId);
  const kept = headers.flatMap((name, at) =>
    at % 2 === 0 && KEPT.has(name.toLowerCase()) ? [name, headers[at + 1] ?? ''] : [],
  );
  return { status, headers: kept, body: body.toString('base64') };
}

function jobAnswer(status: number, jobId: string): Answer {
  return { status, headers: ['Content-Type', 'application/json'], body: jobIdBody(jobId) };
}

/** The answer for a job that was found again. */
export const adoptedAnswer = (jobId: string): KeptAnswer => keepAnswer(jobAnswer(200, jobId), jobId);

/** A kept answer, marked as given again. */
export function replay({ status, headers, body }: KeptAnswer): Answer {
  return { status, headers: [...headers, ...REPLAYED], body: Buffer.from(body, 'base64') };
}
