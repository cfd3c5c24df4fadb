import type { UpstreamCall } from '../../src/upstream/index.ts';

/** A read of a job by alice whose caller stays; `more` changes it. */
export function callOf(more: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    queue: 'night',
    account: 'alice',
    method: 'GET',
    target: '/api/v3/jobs/1',
    route: '/api/v3/jobs/{id}',
    class: 'read',
    rawHeaders: ['Host', 'gateway.example.com', 'Accept', 'application/json'],
    body: { kind: 'none' },
    requestId: 'rid-1',
    traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    signal: new AbortController().signal,
    ...more,
  };
}
