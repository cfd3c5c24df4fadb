import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/kernel/index.ts';
import { HELP, readCommandLine } from './command-line.ts';
import { createControl, createVovserver, type Vovserver } from './vovserver/index.ts';

function writeCertificates(dir: string, server: Vovserver): void {
  mkdirSync(dir, { recursive: true });
  if (server.caPem !== null) writeFileSync(join(dir, 'ca.pem'), server.caPem);
  if (server.leaf !== null) writeFileSync(join(dir, 'cert.pem'), server.leaf.certPem);
}

async function main(): Promise<void> {
  const line = readCommandLine(process.argv.slice(2));
  if (line.help) return void process.stdout.write(HELP);
  const server = await createVovserver(line.server);
  const control = await createControl(server, line.control.port, line.control.host);
  if (line.certDir !== null) writeCertificates(line.certDir, server);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      await Promise.all([control[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
    });
  }
  const pin = server.leaf === null ? [] : [`pin ${server.pin}`];
  console.log([`vovserver ${server.url}`, `control ${control.url}`, ...pin].join('\n'));
}

main().catch((error: unknown) => {
  console.error(`standin: ${messageOf(error)}`);
  process.exitCode = 1;
});
