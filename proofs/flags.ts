import { parseArgs } from 'node:util';

type Defaults = Readonly<Record<string, string | boolean>>;

/** What the default does not tell: whole numbers are at least 1, others above 0, a seed at least 0, when nothing is said here. */
interface Bounds<Name> {
  readonly least?: { readonly [N in Name & string]?: number };
  /** The words that there are; of a default with commas, any of them with commas. */
  readonly oneOf?: { readonly [N in Name & string]?: readonly string[] };
}

/** A value is written like its default; where the default has a point, whole numbers will do too. */
const KINDS: readonly { readonly like: RegExp; readonly takes: RegExp; readonly name: string }[] = [
  { like: /^\d+$/, takes: /^\d{1,12}$/, name: 'a whole number' },
  { like: /^\d+\.\d+$/, takes: /^\d{1,12}(?:\.\d+)?$/, name: 'a number' },
  { like: /^\d+(?:ms|s)$/, takes: /^[1-9]\d{0,6}(?:ms|s)$/, name: 'a time such as 4s' },
  { like: /^\d+(?:,\d+)+$/, takes: /^[1-9]\d{0,6}(?:,[1-9]\d{0,6})*$/, name: 'whole numbers with commas between' },
];

/** What the flag takes, when it does not take what is given. */
function fault(usual: string, given: string, least: number | undefined, words?: readonly string[]): string | null {
  const pieces = usual.includes(',') ? given.split(',') : [given];
  if (words !== undefined) return pieces.every((one) => words.includes(one)) ? null : `one of ${words.join(', ')}`;
  const kind = KINDS.find(({ like }) => like.test(usual));
  if (kind === undefined) return null;
  const isNumber = !Number.isNaN(Number(usual));
  const above = least === undefined && usual.includes('.');
  const inside = !isNumber || (above ? Number(given) > 0 : Number(given) >= (least ?? 1));
  if (inside && kind.takes.test(given)) return null;
  return isNumber ? `${kind.name} ${above ? 'above 0' : `of at least ${least ?? 1}`}` : kind.name;
}

function refuse(text: string, defaults: Defaults): never {
  const all = Object.entries(defaults).map(([name, value]) => `--${name}${value === false ? '' : ` ${value}`}`);
  console.error(`${text}. Flags with their defaults: ${all.join(' ') || 'none'}`);
  process.exit(2);
}

function parse(defaults: Defaults): Record<string, string | boolean | undefined> {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      { type: typeof value === 'boolean' ? 'boolean' : 'string' } as const,
    ]),
  );
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse(error instanceof Error ? (/^[^.\n]+/.exec(error.message)?.[0] ?? '') : String(error), defaults);
  }
}

/**
 * The flags of a proof, each with its default, `false` for one without a value; `number` gives one as a number. What cannot be
 * a flag's value ends the process with 2 and one line that says so.
 */
export function readFlags<const D extends Defaults>(defaults: D, bounds: Bounds<keyof D> = {}) {
  const { least, oneOf }: Bounds<string> = bounds;
  const values: Record<string, string | boolean> = { ...defaults };
  for (const [name, given] of Object.entries(parse(defaults))) {
    const usual = defaults[name];
    if (given === undefined || usual === undefined) continue;
    values[name] = given;
    if (typeof given === 'boolean' || typeof usual === 'boolean') continue;
    const promised = fault(usual, given, least?.[name] ?? (name === 'seed' ? 0 : undefined), oneOf?.[name]);
    if (promised !== null) refuse(`--${name} takes ${promised}, not “${given}”`, defaults);
  }
  return {
    values: values as { readonly [N in keyof D]: D[N] extends boolean ? boolean : string },
    number: (name: keyof D & string): number => Number(values[name]),
  };
}
