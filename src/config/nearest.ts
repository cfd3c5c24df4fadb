/** Number of single-character changes, swaps of neighbours included, that turn `a` into `b` (Damerau, restricted). */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change);
      if (swapped) row[j] = Math.min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.length, b.length);
}

/** The known word that was probably meant, or null when none is near. */
export function nearest(word: string, known: Iterable<string>): string | null {
  const plain = word.toLowerCase().slice(0, 100);
  let best: { word: string; far: number } | null = null;
  for (const candidate of known) {
    const far = distance(plain, candidate.toLowerCase());
    if (best === null || far < best.far) best = { word: candidate, far };
  }
  return best !== null && best.far <= Math.max(1, Math.floor(plain.length / 3)) ? best.word : null;
}
