// Speaks HTTP to vovserver: TLS policy, pools, failover, header passes, coalescing, streaming.
export { type CarrierOptions, createCarrier } from './carrier.ts';
export { createUpstream, type UpstreamHandle, type UpstreamOptions } from './create-upstream.ts';
export { type InspectedServer, type InspectOptions, inspectServer } from './inspect-server.ts';
export { Outage } from './outage.ts';
export type {
  CallBody,
  CallerGone,
  Carrier,
  CoalesceConfig,
  Credential,
  ForwardResult,
  Gate,
  GoneListener,
  Holder,
  LoginAnswer,
  QueueAgent,
  QueueStatus,
  SwitchedTo,
  Turn,
  Upstream,
  UpstreamCall,
  UpstreamToken,
  WholeAnswer,
} from './ports.ts';
export { judgeError } from './queue-agent.ts';
export { epochOf } from './queue-link.ts';
export { ByteBudget } from './share-bounds.ts';
export { AnswerTooLong } from './sink.ts';
