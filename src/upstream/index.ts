// Speaks HTTP to vovserver: TLS policy, pools, failover, header passes, coalescing, streaming.
export { createUpstream, type UpstreamHandle, type UpstreamOptions } from './create-upstream.ts';
export { type InspectedServer, type InspectOptions, inspectServer } from './inspect-server.ts';
export type {
  CallBody,
  CallerGone,
  Credential,
  ForwardResult,
  GoneListener,
  LoginAnswer,
  QueueAgent,
  QueueStatus,
  Upstream,
  UpstreamCall,
  UpstreamToken,
} from './ports.ts';
export { judgeError } from './queue-agent.ts';
export { epochOf } from './queue-link.ts';
