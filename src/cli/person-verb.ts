import { messageOf } from '../kernel/index.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type Print = (text: string) => void;

/** Called wrongly: exit code 2. */
export class UsageError extends Error {}

/** Runs a verb for people on submit hosts: exit code 0 when done, 1 when it failed, 2 when it was called wrongly. */
export async function runPersonVerb(
  verb: { readonly name: string; readonly usage: string; readonly argv: readonly string[] },
  act: () => Promise<number>,
  out: Print,
  err: Print,
): Promise<number> {
  if (verb.argv.includes('--help')) {
    out(verb.usage);
    return 0;
  }
  try {
    return await act();
  } catch (error) {
    const wrong = error instanceof UsageError;
    err(`vovgw ${verb.name}: ${messageOf(error)}\n${wrong ? `\n${verb.usage}` : ''}`);
    return wrong ? 2 : 1;
  }
}

/** Turns the error of parseArgs into a {@link UsageError}. */
export function understood<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** A text from the network without what a terminal would obey. */
export function plain(text: unknown): string {
  return typeof text === 'string' ? text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 512) : '';
}
