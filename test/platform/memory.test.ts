import { conformance } from './conformance.ts';
import { openMemoryWorld } from './store-world.ts';

conformance('memory', openMemoryWorld);
