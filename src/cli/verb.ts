import { GatewayError, messageOf } from '../kernel/index.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type Print = (text: string) => void;

/** Called wrongly: exit code 2. */
export class UsageError extends Error {}

/** A verb as it was typed. */
export interface Verb {
  readonly name: string;
  readonly usage: string;
  readonly argv: readonly string[];
  /** For what else than a {@link UsageError} the exit code is 2. */
  readonly isWrong?: (error: unknown) => boolean;
}

/** Prints the usage when it is asked for; false when it is not. */
export function helped(argv: readonly string[], usage: string, out: Print): boolean {
  if (!argv.includes('--help')) return false;
  out(usage);
  return true;
}

/** Runs a verb: exit code 0 when done, 1 when it failed, 2 when it was called wrongly. */
export async function runVerb(verb: Verb, act: () => Promise<number>, out: Print, err: Print): Promise<number> {
  if (helped(verb.argv, verb.usage, out)) return 0;
  try {
    return await act();
  } catch (error) {
    const wrong = error instanceof UsageError;
    const reason = error instanceof GatewayError ? error.detail : messageOf(error);
    err(`vovgw ${verb.name}: ${reason}\n${wrong ? `\n${verb.usage}` : ''}`);
    return wrong || verb.isWrong?.(error) === true ? 2 : 1;
  }
}

/** What a verb needs to reach the store. */
export interface StoreDeps<Opened extends AsyncDisposable> {
  /** Opens the store that the configuration names; null after it has told why not. Called with correct arguments only. */
  open(configFile: string | undefined): Promise<Opened | null>;
}

/** Runs a verb that works in the store of the configuration, which is open while `act` runs; exit codes as {@link runVerb}. */
export function runStoreVerb<Command extends { readonly config: string | undefined }, Opened extends AsyncDisposable>(
  verb: Verb,
  { open }: StoreDeps<Opened>,
  read: (argv: readonly string[]) => Command,
  act: (command: Command, opened: Opened) => Promise<number>,
  out: Print,
  err: Print,
): Promise<number> {
  const { argv } = verb;
  const work = async (): Promise<number> => {
    const command = read(argv);
    await using opened = await open(command.config);
    return opened === null ? 1 : await act(command, opened);
  };
  return runVerb({ ...verb, argv: argv[0] === 'help' ? ['--help'] : argv }, work, out, err);
}

/** Turns the error of parseArgs into a {@link UsageError}. */
export function understood<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** A text from the network without what a terminal would obey, and so many characters of it at most. */
export function plain(text: unknown, most = 512): string {
  return typeof text === 'string' ? text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, most) : '';
}
