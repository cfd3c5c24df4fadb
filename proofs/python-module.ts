// The tutorial's programs with the gateway's own Python module over verified TLS, across JWT lives; a wrong certificate is refused.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority } from '../standin/certificates.ts';
import { createFigures } from './figures.ts';
import { setStage, startStandin } from './stage.ts';
import { layOutPrograms, runPython } from './tutorial/programs.ts';

const USER = 'alice';
const PASSWORD = 'alice-password';
const JWT_LIFE_SECONDS = 20;
/** Shorter than the run, so that the module has to renew its token by itself too. */
const DERIVED_SECONDS = 15;
const RUN_SECONDS = 50;

/** One object for the whole run: a read every half second and a submission every fifth. */
const LONG_RUN = `
import json, os, sys, time
import vov_rest_v3
url = os.environ["NC_URL"]
rest = vov_rest_v3.VOVRestV3()
rest.authorize(url, sys.stdin.readline().strip())
end = time.time() + ${RUN_SECONDS}
calls, failed, tokens = 0, [], set()
while time.time() < end:
    try:
        rest.submitRequest("GET", url + "/api/v3/project/1/project")
        if calls % 5 == 0:
            job = {"command": "sleep 1", "logfile": "LOG.%d" % calls, "rundir": "/tmp", "env": "BASE"}
            rest.submitRequest("POST", url + "/api/v3/jobs", jsonData=job)
    except vov_rest_v3.VOVError as error:
        failed.append(str(error))
    calls += 1
    tokens.add(rest.getJWT())
    time.sleep(0.5)
print(json.dumps({"calls": calls, "failed": failed, "tokens": len(tokens)}))
`;

const module = join(import.meta.dirname, '../clients/python/vov_rest_v3.py');
const { folder, names } = await layOutPrograms('python-module', module);
await writeFile(join(folder, 'long_run.py'), LONG_RUN);

await using stage = await setStage();
await using standin = await startStandin([
  ...['--transport', 'https-ca', '--users', `${USER}:${PASSWORD}`, '--jwt-life', `${JWT_LIFE_SECONDS}s`],
]);
await stage.setPassword(USER, PASSWORD);
const [authority, stranger] = [await createAuthority(), await createAuthority('Stranger')];
const leaf = await authority.leaf();
const file = async (name: string, pem: string): Promise<string> => {
  const path = join(stage.folder, name);
  await writeFile(path, pem, { mode: 0o600 });
  return path;
};
const tls = { certFile: await file('cert.pem', leaf.certPem), keyFile: await file('key.pem', leaf.keyPem) };
const ca = await file('ca.pem', authority.certPem);
const wrongCa = await file('stranger.pem', stranger.certPem);
const gateway = await stage.gateway({
  server: { tls },
  queues: [{ name: 'vnc', urls: [standin.url], tls: { verify: 'ca', caFile: join(standin.certDir, 'ca.pem') } }],
  accessTokens: { derivedLife: `${DERIVED_SECONDS}s` },
  limits: { mode: 'off' },
});
const token = await stage.token(gateway, USER);
const url = gateway.url.replace('http://127.0.0.1', 'https://localhost');
const figures = createFigures('The tutorial’s programs with clients/python/vov_rest_v3.py over verified TLS');

const run = async (program: string, args: readonly string[], authorityFile: string) => {
  const env = { NC_URL: url, USER, VOVGW_CA_FILE: authorityFile };
  const result = await runPython(folder, program, args, env, token);
  console.log(`\n$ ${[program, ...args].join(' ')}\n${result.out}${result.code === 0 ? '' : result.err}`);
  return result;
};

figures.add('programs found in the text', '5', names.length, names.length === 5);
const queue = await run('nc_rest_101.py', [], ca);
figures.add(
  'nc_rest_101.py',
  'exit 0, a queue name',
  `exit ${queue.code}`,
  queue.code === 0 && queue.out.includes('rows'),
);
const submitted = await run('nc_run.py', ['sleep', '33'], ca);
const id = /New job is (\d+)/.exec(submitted.out)?.[1];
figures.add('nc_run.py', 'a job', id ?? 'none', id !== undefined);
const list = await run('nc_list.py', [], ca);
figures.add(
  'nc_list.py',
  'that job',
  list.out.includes('vw sleep 33') ? 'listed' : 'missing',
  list.out.includes('vw sleep 33'),
);

const long = await run('long_run.py', [], ca);
const {
  calls = 0,
  failed = ['no figures'],
  tokens = 0,
} = JSON.parse(long.out || '{}') as {
  calls?: number;
  failed?: string[];
  tokens?: number;
};
const lives = Math.floor(RUN_SECONDS / JWT_LIFE_SECONDS);
const logins = await gateway.metric('vovgw_jwt_logins_total', 'result="ok"');
figures.add(
  `calls of one object in ${RUN_SECONDS} s`,
  '0 failed',
  `${failed.length} of ${calls}`,
  calls > 20 && failed.length === 0,
);
figures.add('JWT lives of vovserver passed', `at least 2`, lives, lives >= 2);
figures.add('logins of the gateway', `at least ${lives + 1}`, logins, logins >= lives + 1);
figures.add('tokens that the module had', 'at least 3', tokens, tokens >= 3);

const before = await gateway.metric('vovgw_requests_total');
const refused = await run('nc_rest_101.py', [], wrongCa);
const after = await gateway.metric('vovgw_requests_total');
const named = refused.err.includes('VOVCertificateError');
figures.add(
  'another authority',
  'VOVCertificateError',
  named ? 'refused' : `exit ${refused.code}`,
  named && refused.code !== 0,
);
figures.add('requests that the gateway got from it', '0', after - before, after === before);
figures.print();
