import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { DEFAULT_FILES, type Fault, findConfigFile, isConfigVariable, loadConfig, printable } from '../config/index.ts';
import { messageOf } from '../kernel/index.ts';
import { faultLines } from './config-file.ts';
import { helped } from './verb.ts';

const USAGE = `vovgw check [--config FILE] [--json]

Prints the decided configuration, secrets redacted; or all its faults, each with path, reason and mend.
Exit code 0 when there is no fault, 1 when there is one, 2 when called wrongly. Touches no network.
`;

type Environment = Readonly<Record<string, string | undefined>>;
type Print = (text: string) => void;

/** No file and no variable: the other faults would only say that everything is missing. */
const nothingFound = (): Fault => ({
  path: 'configuration',
  reason: `no file was found (${DEFAULT_FILES.join(', ')})`,
  mend: 'Name one by --config FILE or VOVGW_CONFIG; config/gateway.example.yaml shows every key.',
});

const isConfigured = (file: string | undefined, env: Environment): boolean =>
  file !== undefined || env.VOVGW_CONFIG !== undefined || Object.keys(env).some(isConfigVariable);

const withLine = (fault: Fault): Fault =>
  fault.line === undefined || fault.path.includes(`:${fault.line}:`)
    ? fault
    : { ...fault, path: `${fault.path} (line ${fault.line})` };

function tellAll(warnings: readonly string[], err: Print): void {
  for (const warning of warnings) err(`warning: ${warning}\n`);
}

/**
 * `vovgw check`: the exit code is 0 with the decided configuration on `out` and its warnings on `err`, 1 with all
 * faults on `err` (as JSON on `out` with --json), 2 when it was called wrongly.
 */
export async function runCheck(argv: string[], env: Environment, out: Print, err: Print): Promise<number> {
  if (helped(argv, USAGE, out)) return 0;
  let options: { config?: string | undefined; json?: boolean | undefined };
  try {
    options = parseArgs({ args: argv, options: { config: { type: 'string' }, json: { type: 'boolean' } } }).values;
  } catch (error) {
    err(`vovgw check: ${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  const file = findConfigFile(options.config, env, existsSync);
  const result = isConfigured(file, env)
    ? loadConfig({ file, env })
    : { ok: false as const, faults: [nothingFound()], warnings: [] };
  if (!result.ok) {
    const { faults, warnings } = result;
    if (options.json) out(`${JSON.stringify({ ok: false, faults, warnings }, null, 2)}\n`);
    else {
      err(`vovgw: the configuration has ${faults.length} fault(s):\n${faultLines(faults.map(withLine))}`);
      tellAll(warnings, err);
    }
    return 1;
  }
  const config = printable(result.config);
  out(
    options.json ? `${JSON.stringify({ ok: true, config, warnings: result.warnings }, null, 2)}\n` : stringify(config),
  );
  // Behind the configuration, which is long: the last line is the verdict.
  tellAll(result.warnings, err);
  err(`vovgw check: no faults, ${result.warnings.length} warning(s)\n`);
  return 0;
}
