import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/kernel/index.ts';
import { makeSecrets, type SecretsRequest } from './secret-files.ts';

/** User and group of the containers in docker-compose.yml, unless CONTAINER_UID and CONTAINER_GID say otherwise. */
const CONTAINER_USER = 1000;

const USAGE = `npm run setup:secrets [-- --demo] [-- --dir DIR] [-- --host NAME …]

Makes the secret files that docker-compose.yml mounts. What exists is left alone.
  --demo        also passwords and certificate for the stand-in vovserver of the profile demo
  --dir DIR     folder of the secrets; default ./secrets
  --host NAME   further host name or address of the gateway for its self-signed certificate
`;

const idFrom = (text: string | undefined): number | null => (text === undefined || text === '' ? null : Number(text));

/** Root gives the files to the user of the containers; anybody else can only keep them. */
function ownerFor(env: NodeJS.ProcessEnv): SecretsRequest['owner'] {
  if (process.getuid?.() !== 0) return null;
  const uid = idFrom(env.CONTAINER_UID) ?? CONTAINER_USER;
  const gid = idFrom(env.CONTAINER_GID) ?? CONTAINER_USER;
  return { uid, gid };
}

function read(argv: string[]): SecretsRequest {
  const { values } = parseArgs({
    args: argv,
    options: {
      demo: { type: 'boolean', default: false },
      dir: { type: 'string', default: 'secrets' },
      host: { type: 'string', multiple: true, default: [] },
    },
  });
  return { dir: resolve(values.dir), demo: values.demo, hosts: values.host, owner: ownerFor(process.env) };
}

/** What somebody must know whose user is not that of the containers. */
function ownerHint(): string {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid === 0 || uid === CONTAINER_USER) return '';
  return `
The files belong to user ${uid}, the containers run as ${CONTAINER_USER}. Put these two lines into the file .env beside docker-compose.yml:
CONTAINER_UID=${uid}
CONTAINER_GID=${gid}
`;
}

async function main(argv: string[]): Promise<number> {
  let request: SecretsRequest;
  try {
    request = read(argv);
  } catch (error) {
    process.stderr.write(`setup-secrets: ${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  try {
    const made = await makeSecrets(request);
    for (const { path, made: now, meaning } of made) console.log(`${now ? 'made ' : 'found'}  ${path}  (${meaning})`);
    console.log(ownerHint());
    return 0;
  } catch (error) {
    process.stderr.write(`setup-secrets: ${messageOf(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
