import { existsSync } from 'node:fs';
import { type Config, type Fault, findConfigFile, loadConfig } from '../config/index.ts';

/** The faults of a configuration as numbered lines: where, what is wrong, what to do. */
export function faultLines(faults: readonly Fault[]): string {
  return faults.map(({ path, reason, mend }, at) => `${at + 1}. ${path}: ${reason}\n   ${mend}\n`).join('');
}

/** The configuration that a verb works with; null after all its faults went to `err`. */
export function configFor(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  err: (text: string) => void,
): Config | null {
  const result = loadConfig({ file: findConfigFile(file, env, existsSync), env });
  if (result.ok) return result.config;
  err(`vovgw: the configuration has ${result.faults.length} fault(s):\n${faultLines(result.faults)}`);
  return null;
}
