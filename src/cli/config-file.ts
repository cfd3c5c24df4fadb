import { existsSync } from 'node:fs';
import { type Config, DEFAULT_FILES, type Fault, findConfigFile, loadConfig } from '../config/index.ts';

/** The faults of a configuration as numbered lines: where, what is wrong, what to do. */
export function faultLines(faults: readonly Fault[]): string {
  return faults.map(({ path, reason, mend }, at) => `${at + 1}. ${path}: ${reason}\n   ${mend}\n`).join('');
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The file to load, or null after telling `err` that there is neither a file nor a variable to go by. */
export function locateConfig(
  named: string | undefined,
  env: Environment,
  err: (text: string) => void,
): { readonly file: string | undefined } | null {
  const file = findConfigFile(named, env, existsSync);
  if (file !== undefined || Object.keys(env).some((name) => name.startsWith('VOVGW_'))) return { file };
  err(`vovgw: no configuration was found (${DEFAULT_FILES.join(', ')}); name one by --config FILE or VOVGW_CONFIG.\n`);
  return null;
}

/** The configuration that a verb works with; null after all its faults went to `err`. */
export function configFor(named: string | undefined, env: Environment, err: (text: string) => void): Config | null {
  const located = locateConfig(named, env, err);
  if (located === null) return null;
  const result = loadConfig({ file: located.file, env });
  if (result.ok) return result.config;
  err(`vovgw: the configuration has ${result.faults.length} fault(s):\n${faultLines(result.faults)}`);
  return null;
}
