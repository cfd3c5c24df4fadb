// Three replicas behind haproxy: sign-ins that cross them, endings within 1 s, replay, a dump of Redis, swaps, key rotation, outage.

import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { proveCrossing } from './sign-in/crossing.ts';
import { proveDump } from './sign-in/dump.ts';
import { proveEndings } from './sign-in/endings.ts';
import { proveOutage } from './sign-in/outage.ts';
import { proveReplay } from './sign-in/replay.ts';
import { proveRotation } from './sign-in/rotation.ts';
import { createSite } from './sign-in/site.ts';
import { openStore } from './sign-in/store.ts';
import { proveSwaps } from './sign-in/swaps.ts';

const PARTS = ['crossing', 'endings', 'replay', 'swaps', 'dump', 'rotation', 'outage'];
const { values } = readFlags(
  {
    'sign-ins': '40',
    endings: '40',
    people: '12',
    replays: '3',
    swaps: '4',
    sessions: '30',
    between: '70',
    away: '20',
    parts: PARTS.join(),
  },
  // A session is written anew, with the new key, when it is used a minute after it was.
  { least: { between: 65 }, oneOf: { parts: PARTS } },
);
const parts = values.parts.split(',');
await using site = await createSite({ people: Number(values.people) });
await using store = openStore(site.stage.redis.port);
const figures = createFigures(`Sign-in over three replicas behind haproxy, ${values.people} people`);
if (parts.includes('crossing')) await proveCrossing(site, figures, Number(values['sign-ins']));
if (parts.includes('endings')) await proveEndings(site, figures, Number(values.endings));
if (parts.includes('replay')) await proveReplay(site, store, figures, Number(values.replays));
if (parts.includes('swaps')) await proveSwaps(site, store, figures, Number(values.swaps));
if (parts.includes('dump')) await proveDump(site, store, figures);
if (parts.includes('rotation')) await proveRotation(site, figures, Number(values.sessions), Number(values.between));
if (parts.includes('outage')) await proveOutage(site, figures, Number(values.away));
figures.print();
