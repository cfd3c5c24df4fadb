/** One promise with its figure: what was asked, what was seen, whether it holds. */
interface Figure {
  readonly what: string;
  readonly promised: string;
  readonly seen: string;
  readonly holds: boolean;
}

/** Collects the figures of a proof, prints them as a table and decides the exit code. */
export function createFigures(title: string) {
  const figures: Figure[] = [];
  return {
    /** Adds a promise that holds when `holds` is true. */
    add(what: string, promised: string, seen: string | number, holds: boolean): void {
      figures.push({ what, promised, seen: String(seen), holds });
    },
    /** Prints the table and sets the exit code to 1 when a promise does not hold, or when there is none. */
    print(): void {
      const width = (pick: (f: Figure) => string, head: string): number =>
        Math.max(head.length, ...figures.map((f) => pick(f).length));
      const w = [width((f) => f.what, 'promise'), width((f) => f.promised, 'promised'), width((f) => f.seen, 'seen')];
      const row = (cells: readonly string[]): string => cells.map((cell, i) => cell.padEnd(w[i] ?? 0)).join('  ');
      console.log(`\n${title}\n${row(['promise', 'promised', 'seen', ''])}`);
      for (const f of figures) console.log(row([f.what, f.promised, f.seen, f.holds ? 'ok' : 'FALLS SHORT']));
      if (figures.length === 0 || figures.some((f) => !f.holds)) process.exitCode = 1;
    },
  };
}

/** The value below which `share` of the sorted copy of `values` lies; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
