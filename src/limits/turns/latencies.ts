/** Bounds of neighbouring buckets differ by this factor: quantiles are exact within 5 %. */
const STEP = 1.05;
const SMALLEST = 0.0005;
/** The last bucket begins at 570 s. */
const BUCKETS = 287;
const PER_STEP = 1 / Math.log(STEP);

/** Bucket and count, bucket and count, … for those that are not empty. */
export type SparseCounts = readonly number[];

/** How long calls took, counted in buckets, so that what several replicas saw can be added up. */
export class Latencies {
  readonly #counts = new Uint32Array(BUCKETS);
  count = 0;

  add(seconds: number): void {
    const bucket = seconds > SMALLEST ? Math.floor(Math.log(seconds / SMALLEST) * PER_STEP) : 0;
    this.#put(Math.min(BUCKETS - 1, bucket), 1);
  }

  /** Adds what `sparse` of another told; what is not such a list adds nothing. */
  merge(sparse: SparseCounts): void {
    for (let i = 0; i + 1 < sparse.length; i += 2) this.#put(sparse[i] ?? 0, sparse[i + 1] ?? 0);
  }

  sparse(): SparseCounts {
    const pairs: number[] = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) pairs.push(bucket, count);
    });
    return pairs;
  }

  /** Seconds; 0 when nothing was counted. */
  quantile(share: number): number {
    let left = Math.ceil(this.count * share);
    for (let bucket = 0; bucket < BUCKETS && left > 0; bucket += 1) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) return SMALLEST * STEP ** (bucket + 0.5);
    }
    return 0;
  }

  /** Mean of the fastest nine tenths, seconds: steadier than a quantile, and no single long call moves it. */
  typical(): number {
    const wanted = Math.max(1, Math.floor(this.count * 0.9));
    let [left, sum] = [wanted, 0];
    for (let bucket = 0; bucket < BUCKETS && left > 0; bucket += 1) {
      const taken = Math.min(left, this.#counts[bucket] ?? 0);
      left -= taken;
      sum += taken * SMALLEST * STEP ** (bucket + 0.5);
    }
    return sum / wanted;
  }

  clear(): void {
    this.#counts.fill(0);
    this.count = 0;
  }

  #put(bucket: number, count: number): void {
    if (!Number.isInteger(bucket) || bucket < 0 || bucket >= BUCKETS || !(count > 0)) return;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.count += count;
  }
}
