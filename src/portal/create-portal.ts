import { createAccountRoutes } from './account-page.ts';
import { createAdminTokenRoutes } from './admin-tokens-page.ts';
import { createAssets } from './assets.ts';
import { createCredentialRoutes } from './credential-page.ts';
import { createDeviceRoutes } from './device-page.ts';
import { errorPage } from './error-page.ts';
import { createApiRoutes } from './explorer-page.ts';
import { createFrame } from './frame.ts';
import { createMeRoute } from './me.ts';
import type { Portal, PortalParts } from './ports.ts';
import { createSessionRoutes } from './session-page.ts';
import { createSignInPages } from './sign-in-pages.ts';
import { createTokenRoutes } from './token-page.ts';

/** Creates the pages of the gateway; the server mounts their routes. */
export function createPortal(parts: PortalParts): Portal {
  const { config, version, enrolments } = parts;
  const assets = createAssets(() => config().docs.explorer);
  const mayEnrol = (): boolean => config().queues.some(({ name }) => enrolments.isOpen(name));
  const frame = createFrame({ version, assets, config, mayEnrol });
  return {
    routes: [
      ...createAccountRoutes(parts, frame),
      ...createTokenRoutes(parts, frame),
      ...createCredentialRoutes(parts, frame),
      ...createSessionRoutes(parts, frame),
      ...createDeviceRoutes(parts, frame),
      ...createAdminTokenRoutes(parts, frame),
      ...createApiRoutes(parts, frame),
      createMeRoute(parts),
      ...assets.routes,
    ],
    signInPages: createSignInPages(frame, config),
    errorPage: (error, requestId) => errorPage(frame, error, requestId),
  };
}
