import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from '../../src/limits/index.ts';

const state = (name: string, quota: number, windowSeconds: number, remaining: number, resetSeconds: number) => ({
  name,
  quota,
  windowSeconds,
  remaining,
  resetSeconds,
});

describe('rate limit headers', () => {
  it('name one policy', () => {
    assert.deepEqual(
      rateLimitHeaders({ allowed: true, policies: [state('identity', 600, 60, 87, 12)], retryAfter: 0 }),
      { 'RateLimit-Policy': '"identity";q=600;w=60', RateLimit: '"identity";r=87;t=12' },
    );
  });

  it('list several policies in their order and say when to retry', () => {
    const policies = [state('identity-submit', 5, 10, 0, 9), state('identity', 600, 60, 590, 1)];
    assert.deepEqual(rateLimitHeaders({ allowed: false, policies, retryAfter: 2 }), {
      'RateLimit-Policy': '"identity-submit";q=5;w=10, "identity";q=600;w=60',
      RateLimit: '"identity-submit";r=0;t=9, "identity";r=590;t=1',
      'Retry-After': '2',
    });
  });

  it('are absent when nothing was measured', () => {
    assert.deepEqual(rateLimitHeaders({ allowed: true, policies: [], retryAfter: 0 }), {});
  });
});
