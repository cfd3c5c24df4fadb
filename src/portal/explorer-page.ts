import type { WebRoute } from '../auth/index.ts';
import { GatewayError } from '../kernel/index.ts';
import type { Frame } from './frame.ts';
import { html } from './markup.ts';
import { openApiDocument } from './open-api.ts';
import { pageRoute } from './page-route.ts';
import type { PortalParts } from './ports.ts';

const PATH = '/ui/api';

/** Creates the description of the API, and the page that shows it and tries it out with the session. */
export function createApiRoutes({ config, apiRoutes, version }: PortalParts, frame: Frame): readonly WebRoute[] {
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      door: 'portal',
      needs: 'nothing',
      handle: () => ({ kind: 'json', body: openApiDocument(apiRoutes, { version, secure: isSecure(config()) }) }),
    },
    pageRoute('GET', PATH, (_request, session) => {
      if (!config().docs.explorer) throw new GatewayError('GW_NOT_FOUND', 'The API explorer is switched off.');
      const body = html`<div class="head"><h1>API</h1>
<p class="quiet">“Execute” calls the gateway as you, with this session: a submission submits. The description itself: <a href="/openapi.json">openapi.json</a>.</p></div>
<noscript><p class="note warn">The explorer needs script; the description does not.</p></noscript>
<h2 class="hidden">Calls</h2>
<div class="card explorer" id="explorer" data-openapi="/openapi.json"></div>`;
      const scripts = ['swagger-ui-bundle.js', 'explorer.js'];
      const styles = ['swagger-ui.css', 'explorer.css'];
      return frame({ title: 'API', session, current: PATH, styles, scripts, body });
    }),
  ];
}

/** Whether cookies carry the `__Host-` prefix: callers use https. */
const isSecure = ({ server }: ReturnType<PortalParts['config']>): boolean =>
  server.publicUrl?.startsWith('https:') ?? server.tls !== undefined;
