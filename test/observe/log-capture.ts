import { Writable } from 'node:stream';
import type { Clock } from '../../src/kernel/index.ts';
import { createReport, type ReportHandle, type ReportOptions, type RequestRecord } from '../../src/observe/index.ts';

/** 2026-11-25T00:00:00.000Z */
export const NOW = 1_795_564_800_000;

/** A clock whose hand the test moves; it starts at {@link NOW}. */
export interface FixedClock extends Clock {
  time: number;
}

export function fixedClock(): FixedClock {
  const never = (): never => {
    throw new Error('a report waits for nothing here');
  };
  const clock: FixedClock = {
    time: NOW,
    now: () => clock.time,
    elapsed: () => clock.time,
    after: never,
    every: never,
    sleep: never,
  };
  return clock;
}

/** Keeps every line that is written. */
export class LineCapture extends Writable {
  readonly lines: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const text = chunk.toString('utf8');
    if (text !== '') this.lines.push(text);
    done();
  }

  /** The lines as objects. */
  parsed(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

/** A report that writes into memory. */
export interface Captured extends AsyncDisposable {
  readonly report: ReportHandle;
  readonly capture: LineCapture;
  readonly clock: FixedClock;
}

export function captureReport(log: Partial<ReportOptions['log']> = {}): Captured {
  const capture = new LineCapture();
  const clock = fixedClock();
  const report = createReport({
    log: { level: 'info', requests: true, ...log },
    clock,
    version: '1.2.3',
    revision: 'abc123',
    output: capture,
  });
  return { report, capture, clock, [Symbol.asyncDispose]: () => report[Symbol.asyncDispose]() };
}

/** A finished request with every field. */
export const FULL_RECORD: RequestRecord = {
  door: 'api',
  requestId: 'req-00000001',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  method: 'GET',
  route: '/api/v3/jobs/{id}',
  path: '/api/v3/jobs/45080',
  status: 200,
  code: 'GW_UPSTREAM_INVALID',
  internal: 'short body',
  seconds: 0.0125,
  upstreamSeconds: 0.0101,
  bytesOut: 812,
  address: '192.0.2.7',
  queue: 'main',
  user: 'alice',
  account: 'alice_v',
  tokenId: 'k3v9',
  tokenLabel: 'nightly',
  aborted: true,
};

/** A finished request with only what is always known. */
export const PLAIN_RECORD: RequestRecord = {
  door: 'api',
  requestId: 'req-00000002',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  method: 'POST',
  route: 'none',
  path: '/nothing',
  status: 404,
  seconds: 0.001,
  bytesOut: 0,
  address: '192.0.2.7',
  aborted: false,
};
