import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { QueueConfig } from '../../src/config/index.ts';
import { type Clock, type GatewayError, systemClock, toGatewayError } from '../../src/kernel/index.ts';
import { createVendorPages } from '../../src/server/vendor-pages.ts';
import { createUpstream, type UpstreamHandle } from '../../src/upstream/index.ts';
import { createToldReport, type Told } from '../upstream/rig.ts';

/** What the steps before have put into the answer's head. */
export const HEAD = ['X-Request-Id', 'rid-1', 'Cross-Origin-Opener-Policy', 'same-origin', 'X-Frame-Options', 'DENY'];

export interface VendorRig extends AsyncDisposable {
  readonly upstream: UpstreamHandle;
  readonly told: Told;
  readonly port: number;
  readonly errors: GatewayError[];
  get(path?: string, headers?: Record<string, string>, method?: string): Promise<Response>;
  /** Sends these very bytes and gives all that comes back until the connection ends. */
  raw(text: string): Promise<string>;
}

export interface VendorRigOptions {
  readonly queues: readonly QueueConfig[];
  readonly clock?: Clock;
  readonly publicUrl?: string;
  /** Answers what is not under /html/. */
  readonly other?: (req: IncomingMessage, res: ServerResponse) => void;
}

export const PAGE = '/html/vovrest.html';

/** The vendor's pages behind a plain HTTP front that answers errors as JSON. */
export async function createVendorRig(options: VendorRigOptions): Promise<VendorRig> {
  const { queues, clock = systemClock, publicUrl, other } = options;
  const report = createToldReport();
  const upstream = createUpstream({ queues, report, clock });
  const pages = createVendorPages({ upstream, publicUrl: () => publicUrl, report, clock });
  const errors: GatewayError[] = [];
  const front = createServer((req, res) => {
    if (other !== undefined && !req.url?.startsWith('/html/')) return other(req, res);
    const queue = req.headers['x-test-queue']?.toString() ?? queues[0]?.name ?? '';
    pages(req, res, { queue, head: HEAD }).catch((thrown: unknown) => {
      const error = toGatewayError(thrown);
      errors.push(error);
      if (res.headersSent || res.destroyed) return;
      res.writeHead(error.status, { 'content-type': 'application/problem+json' });
      res.end(JSON.stringify({ code: error.code, detail: error.detail }));
    });
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  return {
    upstream,
    told: report.told,
    port,
    errors,
    get: (path = PAGE, headers = {}, method = 'GET') =>
      fetch(`http://127.0.0.1:${port}${path}`, { method, headers, redirect: 'manual' }),
    raw: (text) =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1');
        const chunks: Buffer[] = [];
        socket.on('data', (chunk) => chunks.push(chunk));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
        socket.write(text);
      }),
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
    },
  };
}

/** `200 code` or `502 GW_…` of an answer. */
export async function outcomeOf(response: Response): Promise<string> {
  const own = response.headers.get('content-type') === 'application/problem+json';
  if (own) return `${response.status} ${((await response.json()) as { code: string }).code}`;
  await response.arrayBuffer();
  return String(response.status);
}
