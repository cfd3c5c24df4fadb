import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/kernel/index.ts';
import { spkiPin } from '../standin/certificates.ts';
import { createVovserver, type Vovserver } from '../standin/vovserver/index.ts';

// The stand-in vovserver of docker-compose.yml's profile demo: as `npm run standin`, but with certificate and passwords
// from the files of setup:secrets, so that the gateway can verify it from its very first start on.
const OPTIONS = {
  host: { type: 'string', default: '0.0.0.0' },
  port: { type: 'string', default: '6271' },
  'queue-name': { type: 'string', default: 'demo' },
  tls: { type: 'string', default: '/run/secrets/standin' },
  passwords: { type: 'string', default: '/run/secrets/vov-passwords' },
} as const;

function start(): Promise<Vovserver> {
  const { values } = parseArgs({ options: OPTIONS });
  const certPem = readFileSync(join(values.tls, 'tls-cert.pem'), 'utf8');
  const keyPem = readFileSync(join(values.tls, 'tls-key.pem'), 'utf8');
  const accounts = readdirSync(values.passwords).map((name) => {
    const password = readFileSync(join(values.passwords, name), 'utf8').trimEnd();
    return [name, password] as const;
  });
  return createVovserver({
    host: values.host,
    port: Number(values.port),
    queueName: values['queue-name'],
    transport: 'https-ca',
    leaf: { certPem, keyPem, spkiPin: spkiPin(certPem) },
    users: Object.fromEntries(accounts),
  });
}

try {
  const server = await start();
  console.log(`stand-in vovserver, queue ${server.queueName}: port ${server.port}, pin ${server.pin}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void server[Symbol.asyncDispose]());
  }
} catch (error) {
  console.error(`demo-vovserver: ${messageOf(error)}; npm run setup:secrets -- --demo makes what it needs`);
  process.exitCode = 1;
}
