// Shows a signed-in person their account, tokens and the API.
export { createPortal } from './create-portal.ts';
export { openApiDocument } from './open-api.ts';
export type { ApiRoute, Portal, PortalConfig, PortalLog, PortalParts, QueueAccount } from './ports.ts';
