#!/usr/bin/env node
// Turns argv into one verb. Each verb loads its own code, so that `vovgw health` does not load the server.
import { messageOf } from './kernel/index.ts';

const USAGE = `vovgw: a gateway in front of vovserver's REST API

  vovgw serve   [--config FILE]                      run the gateway
  vovgw check   [--config FILE] [--json]             show the decided configuration, or all its faults
  vovgw token   create|list|revoke …                 access tokens (needs Redis)
  vovgw login   [--url URL] [--ca-file FILE]         on a submit host: get an access token by signing in in a browser
  vovgw logout  [--force]                            end that token
  vovgw whoami  [--json]                             who the gateway takes you for
  vovgw token   print                                that token, for scripts
  vovgw pin     fetch URL                            what to put into a queue's tls section
  vovgw binding list|remove USER|give USER SUBJECT   whose user names are since the first sign-in (needs Redis)
  vovgw who     JOBID [--queue Q] [--json]           who submitted a job, and with which token (needs Redis)
  vovgw maintenance start|stop|list …                hold submissions to a queue back (needs Redis)
  vovgw failover QUEUE [--to URL] [--wait 30s]       move a queue to another of its candidates (needs Redis)
  vovgw explain user NAME|ASSERTION.json [--queue Q] which rule gives whom which vovserver account
  vovgw health  [--url URL] [--config FILE]          exit 0 when the gateway is ready
  vovgw version

Configuration: --config FILE, else $VOVGW_CONFIG, else config/gateway.yaml, else /etc/vov-gateway/gateway.yaml.
`;

const print = (text: string): void => void process.stdout.write(text);
const complain = (text: string): void => void process.stderr.write(text);

/** Runs one verb; the exit code: 0 done, 1 it failed, 2 it was called wrongly. */
async function run([verb, ...argv]: string[]): Promise<number> {
  switch (verb) {
    case 'serve':
      return (await import('./cli/serve.ts')).runServe(argv, process.env, print, complain);
    case 'check':
      return (await import('./cli/check.ts')).runCheck(argv, process.env, print, complain);
    case 'token':
      if (argv[0] === 'print') {
        return (await import('./cli/whoami.ts')).runTokenPrint(argv.slice(1), process.env, print, complain);
      }
      return (await import('./cli/store.ts')).runTokenVerb(argv, process.env, print, complain);
    case 'login':
      return (await import('./cli/login.ts')).runLogin(argv, process.env, print, complain);
    case 'logout':
      return (await import('./cli/logout.ts')).runLogout(argv, process.env, print, complain);
    case 'whoami':
      return (await import('./cli/whoami.ts')).runWhoami(argv, process.env, print, complain);
    case 'pin':
      return (await import('./cli/pin.ts')).runPin(argv, print, complain);
    case 'binding':
      return (await import('./cli/store.ts')).runBindingVerb(argv, process.env, print, complain);
    case 'who':
      return (await import('./cli/store.ts')).runWhoVerb(argv, process.env, print, complain);
    case 'maintenance':
      return (await import('./cli/store.ts')).runMaintenanceVerb(argv, process.env, print, complain);
    case 'failover':
      return (await import('./cli/store.ts')).runFailoverVerb(argv, process.env, print, complain);
    case 'explain':
      return (await import('./cli/explain.ts')).runExplain(argv, process.env, print, complain);
    case 'health':
      return (await import('./cli/health.ts')).runHealth(argv, process.env, print, complain);
    case 'version':
      print(`${(await import('./cli/version.ts')).VERSION}\n`);
      return 0;
    case undefined:
    case 'help':
    case '--help':
      (verb === undefined ? complain : print)(USAGE);
      return verb === undefined ? 2 : 0;
    default:
      complain(`vovgw: there is no verb “${verb}”\n\n${USAGE}`);
      return 2;
  }
}

/** The oldest Node.js that runs this; each verb's own code may not even load on an older one. */
const OLDEST_NODE = 24;
if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  complain(`vovgw: needs Node.js ${OLDEST_NODE} or newer; this is ${process.version} (${process.execPath})\n`);
  process.exit(1);
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  complain(`vovgw: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
