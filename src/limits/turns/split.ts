/** What one replica says of a pool. */
export interface Wish {
  /** Calls out and waiting. */
  readonly demand: number;
  /** Beats since it has had a turn or more; 0: it has none. */
  readonly tenure: number;
  /** Beats since it wants a turn and has none. */
  readonly rested: number;
}

/** Beats that a replica keeps its only turn while others, for whom none is left, want it too. */
const SHORTEST_TENURE = 3;

/**
 * The share of each replica; their sum is exactly `limit`. One each while that is possible; then by what each wants, and
 * what nobody wants in equal parts. When there are more replicas than turns, those who want one take it in rotation.
 */
export function split(limit: number, wishes: readonly Wish[]): number[] {
  if (wishes.length === 0) return [];
  if (limit < wishes.length) return rotate(limit, wishes);
  const shares = wishes.map(() => 1);
  let left = limit - wishes.length;
  const unmet = wishes.map(({ demand }) => Math.max(0, demand - 1));
  const wanted = Math.min(left, sum(unmet));
  add(shares, portions(wanted, unmet));
  left -= wanted;
  add(
    shares,
    portions(
      left,
      wishes.map(() => 1),
    ),
  );
  return shares;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function add(shares: number[], more: readonly number[]): void {
  more.forEach((count, i) => {
    shares[i] = (shares[i] ?? 0) + count;
  });
}

/** `total` by weight, in whole numbers by largest remainder; nobody gets more than the weights say, rounded up. */
function portions(total: number, weights: readonly number[]): number[] {
  const all = sum(weights);
  if (total === 0 || all === 0) return weights.map(() => 0);
  const exact = weights.map((weight) => (total * weight) / all);
  const whole = exact.map(Math.floor);
  const rest = exact
    .map((part, i) => ({ i, rest: part - Math.floor(part) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (const { i } of rest.slice(0, total - sum(whole))) whole[i] = (whole[i] ?? 0) + 1;
  return whole;
}

function rotate(limit: number, wishes: readonly Wish[]): number[] {
  const settled = ({ tenure }: Wish): number => (tenure > 0 && tenure < SHORTEST_TENURE ? 1 : 0);
  const order = wishes
    .map((wish, i) => ({ wish, i }))
    .sort(
      ({ wish: a, i }, { wish: b, i: j }) =>
        Number(b.demand > 0) - Number(a.demand > 0) || settled(b) - settled(a) || b.rested - a.rested || i - j,
    );
  const shares = wishes.map(() => 0);
  for (const { i } of order.slice(0, limit)) shares[i] = 1;
  return shares;
}
