import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { type ConfigChange, type ConfigResult, createConfigWatcher, type Fault, loadConfig } from '../config/index.ts';
import { messageOf, systemClock } from '../kernel/index.ts';
import { watchFiles } from '../platform/index.ts';
import { createGateway, type Gateway } from '../server/index.ts';
import { faultLines, locateConfig } from './config-file.ts';
import { type Environment, helped, type Print } from './verb.ts';
import { VERSION } from './version.ts';

const USAGE = `vovgw serve [--config FILE]

Runs the gateway until SIGTERM or SIGINT, which let calls under way end; a second one ends it at once. SIGHUP, or a change of
the configuration file, has it read again. Exit code 0 when it was stopped, 1 when it failed, 2 when called wrongly.
`;

/** Swaps to what a changed configuration says, and tells what waits for a restart. */
function apply(gateway: Gateway, { config, changed, restart }: ConfigChange): void {
  const { log } = gateway.report;
  gateway.reload(config);
  log.info({ event: 'config_reload', reason: changed.join(', ') }, 'the configuration was read again');
  if (restart.length === 0) return;
  log.warn({ event: 'config_restart', reason: restart.join(', ') }, 'these sections take effect at the next start');
}

function refuse(gateway: Gateway, faults: readonly Fault[]): void {
  gateway.configFaults(faults.length);
  for (const { path, reason, mend } of faults) {
    const fault = `${path}: ${reason}. ${mend}`;
    gateway.report.log.error({ event: 'config_fault', reason: fault }, 'the last good configuration stays in use');
  }
}

/** Resolves with the exit code when the process is asked to stop, or when a fault of its own leaves no other way. */
function untilStopped(gateway: Gateway): Promise<number> {
  return new Promise((resolve) => {
    const stop = (code: number): void => {
      gateway.drain().then(
        () => resolve(code),
        () => resolve(1),
      );
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        // Asked a second time, nobody wants to wait.
        process.once(signal, () => process.exit(1));
        stop(0);
      });
    }
    const failed = (error: unknown): void => {
      gateway.report.log.error({ event: 'fatal', error }, 'a fault that nothing caught: this replica drains and ends');
      stop(1);
    };
    process.on('uncaughtException', failed);
    process.on('unhandledRejection', failed);
  });
}

/**
 * In a rush, calls wait and what belongs to them lives long; V8 then allocates such objects in its old space, and goes on to do
 * so when the rush is over: each collection of the young ones takes five times as long (13 % of the requests per second).
 */
const keepShortLivedYoung = (): void => setFlagsFromString('--no-allocation-site-pretenuring');

/** `vovgw serve`: runs the gateway until SIGTERM or SIGINT; SIGHUP or a changed file reloads the configuration. */
export async function runServe(argv: string[], env: Environment, out: Print, err: Print): Promise<number> {
  if (helped(argv, USAGE, out)) return 0;
  keepShortLivedYoung();
  let named: string | undefined;
  try {
    named = parseArgs({ args: argv, options: { config: { type: 'string' } } }).values.config;
  } catch (error) {
    err(`vovgw serve: ${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  const located = locateConfig(named, env, err);
  if (located === null) return 1;
  const { file } = located;
  const load = (): ConfigResult => loadConfig({ file, env });
  const first = load();
  if (!first.ok) {
    err(`vovgw: the configuration has ${first.faults.length} fault(s):\n${faultLines(first.faults)}`);
    return 1;
  }
  const gateway = await createGateway(first.config, { version: VERSION });
  for (const warning of first.warnings) gateway.report.log.warn({ event: 'config', reason: warning }, 'a warning');
  using watcher = createConfigWatcher({
    load,
    first,
    watch: (files, onChange) => watchFiles(files, { clock: systemClock }, onChange),
    onChange: (change) => apply(gateway, change),
    onFault: (faults) => refuse(gateway, faults),
  });
  const again = (): void => void watcher.reload();
  process.on('SIGHUP', again);
  const code = await untilStopped(gateway);
  process.off('SIGHUP', again);
  return code;
}
