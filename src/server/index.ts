// Puts the rooms together and carries a request through them in order.
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
export { decide, wireAccessTokens } from './wire.ts';
