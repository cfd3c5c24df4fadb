import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoSignIn } from '../../standin/demo-sign-in.ts';
import { createIdp, type Idp, type IdpOptions } from '../../standin/idp/index.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** What a world with an identity provider is made of; everything has a default that works. */
export interface SignInWorldOptions extends WorldOptions {
  readonly idp?: Partial<IdpOptions>;
  /** The public URL of the gateway, when it is not its own address. */
  readonly publicUrl?: string;
}

/** A gateway, a stand-in vovserver and the demo identity provider, with OIDC (`oidc`) and SAML (`saml`). */
export interface SignInWorld extends World {
  readonly idp: Idp;
  /** The URL that browsers open. */
  readonly url: string;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Keys that several gateways of one test share. */
export const sharedSecrets = () => ({
  sealingKey: randomBytes(32).toString('base64'),
  tokenKey: randomBytes(32).toString('base64'),
});

/** Boots it; `await using` ends it. The users are those of the directory: alice, bob, carol. */
export async function createSignInWorld(options: SignInWorldOptions = {}): Promise<SignInWorld> {
  const port = await freePort();
  const url = options.publicUrl ?? `http://127.0.0.1:${port}`;
  const folder = await mkdtemp(join(tmpdir(), 'vovgw-sign-in-'));
  const idp = await createIdp({ gateways: [url], ...options.idp });
  const { server = {}, signIn = {}, identity = {}, ...config } = options.config ?? {};
  const demo = await demoSignIn(idp, folder);
  const world = await createWorld({
    users: ['alice', 'bob', 'carol'],
    ...options,
    config: {
      ...config,
      server: { port, publicUrl: url, ...(server as object) },
      signIn: { ...demo.signIn, ...(signIn as object) },
      identity: { ...demo.identity, ...(identity as object) },
    },
  });
  return {
    ...world,
    idp,
    url,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await idp[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
