// Three replicas behind haproxy: sign-ins that cross them, endings within 1 s, replay, a dump of Redis, swaps, key rotation, outage.
import { parseArgs } from 'node:util';
import { createFigures } from './figures.ts';
import { proveCrossing } from './sign-in/crossing.ts';
import { proveEndings } from './sign-in/endings.ts';
import { proveReplay } from './sign-in/replay.ts';
import { createSite } from './sign-in/site.ts';
import { openStore } from './sign-in/store.ts';

const { values } = parseArgs({
  options: {
    'sign-ins': { type: 'string', default: '40' },
    endings: { type: 'string', default: '20' },
    people: { type: 'string', default: '12' },
    replays: { type: 'string', default: '3' },
    parts: { type: 'string', default: 'crossing,endings,replay' },
  },
});
const parts = values.parts.split(',');
await using site = await createSite({ people: Number(values.people) });
await using store = openStore(site.stage.redis.port);
const figures = createFigures(`Sign-in over three replicas behind haproxy, ${values.people} people`);
if (parts.includes('crossing')) await proveCrossing(site, figures, Number(values['sign-ins']));
if (parts.includes('endings')) await proveEndings(site, figures, Number(values.endings));
if (parts.includes('replay')) await proveReplay(site, store, figures, Number(values.replays));
figures.print();
