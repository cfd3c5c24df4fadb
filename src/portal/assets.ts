import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { WebRoute } from '../auth/index.ts';
import { GatewayError, type WebAnswer } from '../kernel/index.ts';
import { EXPLORER_CSS } from './assets/explorer-css.ts';
import { ICON_SVG } from './assets/icon.ts';
import { PORTAL_CSS } from './assets/portal-css.ts';
import { COPY_JS, EXPLORER_JS, SEND_AWAY_JS } from './assets/scripts.ts';

const TYPES = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

interface Asset {
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly hash: string;
}

/** Files that pages load; a URL carries a hash of the content, so that browsers may keep it for ever. */
export interface Assets {
  /** URL of a file by its name; throws for one that is not served. */
  urlOf(name: string): string;
  readonly routes: readonly WebRoute[];
}

const OWN: Readonly<Record<string, string>> = {
  'portal.css': PORTAL_CSS,
  'explorer.css': EXPLORER_CSS,
  'copy.js': COPY_JS,
  'send-away.js': SEND_AWAY_JS,
  'explorer.js': EXPLORER_JS,
  'icon.svg': ICON_SVG,
};

/** The only files of swagger-ui-dist that are served. */
const SWAGGER = ['swagger-ui.css', 'swagger-ui-bundle.js'] as const;

const typeOf = (name: string): string => TYPES[name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES];

function createAsset(name: string, bytes: Buffer): Asset {
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 12);
  return { contentType: typeOf(name), bytes, hash };
}

const withHash = (name: string, hash: string): string => name.replace(/\.([a-z]+)$/, `.${hash}.$1`);

/** Splits `portal.AbC123.css` into the name of the file and the hash that was asked for. */
function nameOf(file: string): { readonly name: string; readonly hash: string } | null {
  const [, stem, hash, ending] = /^([a-z-]+)\.([A-Za-z0-9_-]{12})\.([a-z]+)$/.exec(file) ?? [];
  return stem === undefined || hash === undefined ? null : { name: `${stem}.${ending}`, hash };
}

function serve(load: (name: string) => Asset | undefined, file: string): WebAnswer {
  const asked = nameOf(file);
  const asset = asked === null ? undefined : load(asked.name);
  if (asset === undefined) throw new GatewayError('GW_NOT_FOUND', 'There is no such file.');
  // While replicas of two versions run, a page of one may load its files from the other: better those than none, but not for ever.
  const { contentType, bytes, hash } = asset;
  return { kind: 'bytes', contentType, bytes, immutable: hash === asked?.hash };
}

function createSwaggerFiles(): (name: string) => Asset | undefined {
  const loaded = new Map<string, Asset>();
  return (name) => {
    if (!SWAGGER.some((known) => known === name)) return undefined;
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
    const asset = createAsset(name, readFileSync(join(folder, name)));
    loaded.set(name, asset);
    return asset;
  };
}

/** Creates the files of the portal; those of the API explorer are read from their package when they are first asked for. */
export function createAssets(explorer: () => boolean): Assets {
  const own = new Map(Object.entries(OWN).map(([name, text]) => [name, createAsset(name, Buffer.from(text))]));
  const swagger = createSwaggerFiles();
  const file = { method: 'GET', door: 'portal', needs: 'nothing' } as const;
  return {
    urlOf(name) {
      const [folder, asset] = own.has(name) ? ['/assets/', own.get(name)] : ['/assets/swagger/', swagger(name)];
      if (asset === undefined) throw new TypeError(`there is no file ${name}`);
      return `${folder}${withHash(name, asset.hash)}`;
    },
    routes: [
      { ...file, path: '/assets/:file', handle: ({ params }) => serve((name) => own.get(name), params.file ?? '') },
      {
        ...file,
        path: '/assets/swagger/:file',
        handle: ({ params }) => serve((name) => (explorer() ? swagger(name) : undefined), params.file ?? ''),
      },
    ],
  };
}
