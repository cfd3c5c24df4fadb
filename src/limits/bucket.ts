/**
 * A token bucket: `requests` units, refilled evenly over `window` milliseconds; both whole numbers. It is kept as a
 * debt (GCRA turned round): one unit costs `window`, a millisecond pays off `requests`. So every sum is a whole
 * number and Lua, TypeScript and a restarted process agree to the last digit.
 */
export interface Bucket {
  readonly requests: number;
  readonly window: number;
}

/** The debt at `now` of a bucket that had `debt` at `at`. A clock that went back pays nothing off. */
export function settle(bucket: Bucket, debt: number, at: number, now: number): number {
  return Math.max(0, debt - Math.max(0, now - at) * bucket.requests);
}

/** Whole units that a bucket with this debt can give. */
export function available(bucket: Bucket, debt: number): number {
  return Math.max(0, Math.floor((bucket.requests * bucket.window - debt) / bucket.window));
}

/** Whole milliseconds until the bucket is full. */
export function untilWhole(bucket: Bucket, debt: number): number {
  return Math.ceil(debt / bucket.requests);
}

/** Whole milliseconds until the bucket can give one unit; 0 when it can. */
export function untilNext(bucket: Bucket, debt: number): number {
  return Math.max(0, Math.ceil((debt + bucket.window - bucket.requests * bucket.window) / bucket.requests));
}
