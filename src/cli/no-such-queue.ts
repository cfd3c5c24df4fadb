import { printable } from '../identity/index.ts';

/** Says that the configuration has no such queue, and which it has; null when it has it. */
export function noSuchQueue(queue: string, known: readonly string[]): string | null {
  if (known.includes(queue)) return null;
  return `the configuration has no queue “${printable(queue)}”; its queues: ${known.map(printable).join(', ')}`;
}
