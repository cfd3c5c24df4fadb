// Memory after 1 000 000 requests is within 10 % of that after 100 000 (--first 100000 --last 1000000).

import { load } from '../bench/load.ts';
import { startSubject } from '../bench/subjects.ts';
import { startGatewaySubject } from '../bench/subjects-gateway.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { pause } from './pace.ts';

const { values } = readFlags({ first: '100000', last: '1000000' });
await using upstream = await startSubject('upstream.ts', [], '1');
await using gateway = await startGatewaySubject(`http://127.0.0.1:${upstream.port}`, '0', '1');
const url = `http://127.0.0.1:${gateway.port}/api/v3/jobs/45080`;
const headers = { Authorization: `Bearer ${gateway.token}` };
let requests = 0;
let errors = 0;

/** Loads the gateway until it has answered `total` requests, lets it come to rest, and gives its resident memory in MiB. */
async function memoryAfter(total: number): Promise<number> {
  while (requests < total) {
    const round = await load(url, { seconds: 5, connections: 50, headers, core: '1' });
    requests += round.requests;
    errors += round.errors;
  }
  await pause(3000);
  return (await gateway.process.metric('vovgw_process_resident_memory_bytes')) / 2 ** 20;
}

const first = await memoryAfter(Number(values.first));
const last = await memoryAfter(Number(values.last));
const figures = createFigures(`Resident memory (${requests} requests)`);
figures.add('errors', '0', errors, errors === 0);
figures.add(`after ${values.first}`, 'shown', `${first.toFixed(0)} MiB`, first > 0);
figures.add(
  `after ${values.last}`,
  `≤ 110 %`,
  `${last.toFixed(0)} MiB, ${((last / first) * 100).toFixed(0)} %`,
  last <= first * 1.1,
);
figures.print();
