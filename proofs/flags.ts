import { parseArgs } from 'node:util';

/** The size of a proof as flags, each with its default; `number` gives one as a number. */
export function readFlags<Name extends string>(defaults: Readonly<Record<Name, string>>) {
  const options = Object.fromEntries(
    Object.entries<string>(defaults).map(([name, value]) => [name, { type: 'string', default: value } as const]),
  );
  const given: Record<string, string | undefined> = parseArgs({ options }).values;
  const values = { ...defaults } as Record<Name, string>;
  for (const name in values) values[name] = given[name] ?? defaults[name];
  return { values, number: (name: Name): number => Number(values[name]) };
}
