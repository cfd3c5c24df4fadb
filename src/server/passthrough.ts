import type { Identity, Secret } from '../kernel/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Broker } from '../tokens/index.ts';
import type { Upstream } from '../upstream/index.ts';
import type { Decided } from './wire.ts';
