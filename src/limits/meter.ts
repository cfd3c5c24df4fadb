import { createHash } from 'node:crypto';
import type { BucketConfig } from '../config/index.ts';
import type { Bucket } from './bucket.ts';
import type { PolicyState } from './ports.ts';

/** One bucket of one subject as this replica knows it. */
export interface Meter extends Bucket {
  readonly name: string;
  readonly key: string;
  readonly windowSeconds: number;
  /** Units that the store had left at its last answer. */
  remaining: number;
  /** Units that the store has given and that were not used here yet. */
  held: number;
  /** When the bucket is whole again, by this process' `Clock.elapsed`; GCRA's theoretical arrival time. */
  wholeAt: number;
}

/**
 * The hash tag of a subject's keys: SHA-256, so that the store holds no user name and no address in clear. `kind`
 * keeps an address apart from a user of the same text.
 */
export function hashTagOf(kind: string, subject: string): string {
  return createHash('sha256').update(`vovgw limits\0${kind}\0${subject}`).digest('base64url').slice(0, 22);
}

const wholeWindow = (bucket: BucketConfig): number => Math.max(1, Math.round(bucket.window));

/** Whether a meter still has the size that the configuration gives. */
export function hasSize(meter: Meter, bucket: BucketConfig): boolean {
  return meter.requests === bucket.requests && meter.window === wholeWindow(bucket);
}

/**
 * A whole bucket. Its size is part of the key, so that another size in the configuration starts a new bucket; `part`
 * keeps apart those of one name under one tag.
 */
export function createMeter(name: string, tag: string, bucket: BucketConfig, part = ''): Meter {
  const { requests } = bucket;
  const window = wholeWindow(bucket);
  return {
    name,
    key: `limit:{${tag}}${part}:${name}:${requests}:${window}`,
    requests,
    window,
    windowSeconds: Math.ceil(window / 1000),
    remaining: requests,
    held: 0,
    wholeAt: 0,
  };
}

const localCost = (meter: Meter, replicas: number): number =>
  Math.min(meter.window, (meter.window / meter.requests) * replicas);

const owedTime = (meter: Meter, now: number): number => Math.max(0, meter.wholeAt - now);

/** Units that this replica may still give on its own, its share being one of `replicas` and at least one unit. */
export function localRemaining(meter: Meter, now: number, replicas: number): number {
  const owed = owedTime(meter, now);
  // A thousandth of a unit bridges the rounding of fractions.
  return Math.max(0, Math.floor((meter.window - owed) / localCost(meter, replicas) + 0.001));
}

/** Milliseconds until this replica may give a unit on its own; 0 when it may. */
export function localWait(meter: Meter, now: number, replicas: number): number {
  if (localRemaining(meter, now, replicas) > 0) return 0;
  return Math.max(1, Math.ceil(meter.wholeAt - now + localCost(meter, replicas) - meter.window));
}

/** Takes one unit of this replica's share. */
export function takeLocally(meter: Meter, now: number, replicas: number): void {
  meter.wholeAt = Math.max(meter.wholeAt, now) + localCost(meter, replicas);
}

/** Gives one unit of this replica's share back. */
export function giveBackLocally(meter: Meter, replicas: number): void {
  meter.wholeAt -= localCost(meter, replicas);
}

/** What the headers say of a meter of which `remaining` units are left. */
export function policyState(meter: Meter, remaining: number, now: number): PolicyState {
  return {
    name: meter.name,
    quota: meter.requests,
    windowSeconds: meter.windowSeconds,
    remaining,
    resetSeconds: Math.max(0, Math.ceil((meter.wholeAt - now) / 1000)),
  };
}
