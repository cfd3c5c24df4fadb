// The package brings no types; only what this stand-in uses is described.
declare module 'oidc-provider' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

  export interface Context {
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
    status: number;
    type: string;
    body: unknown;
    readonly path: string;
    readonly response: { get(name: string): string };
    set(name: string, value: string): void;
    readonly oidc: {
      readonly route?: string;
      readonly provider: Provider;
      readonly client?: Client;
      readonly session: Session;
      readonly result?: { readonly consent?: { readonly grantId?: string } };
    };
  }

  export interface Session {
    readonly accountId?: string;
    readonly authorizations?: Readonly<Record<string, unknown>>;
    sidFor(clientId: string): string | undefined;
    grantIdFor(clientId: string): string | undefined;
    destroy(): Promise<void>;
  }

  export interface Client {
    readonly clientId: string;
    readonly backchannelLogoutUri?: string;
    backchannelLogout(subject: string, sid: string | undefined): Promise<void>;
  }

  export interface Grant {
    addOIDCScope(scope: string): void;
    addResourceScope(resource: string, scope: string): void;
    save(): Promise<string>;
  }

  export interface Interaction {
    readonly uid: string;
    readonly prompt: { readonly name: string; readonly reasons: readonly string[] };
  }

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    readonly Client: { find(id: string): Promise<Client | undefined> };
    readonly Session: { get(context: Context): Promise<Session> };
    readonly Grant: {
      new (facts: { readonly accountId: string; readonly clientId: string }): Grant;
      find(id: string): Promise<Grant | undefined>;
    };
    readonly AccessToken: new (
      facts: Readonly<Record<string, unknown>>,
    ) => { save(): Promise<string> };
    callback(): RequestListener;
    createContext(request: IncomingMessage, response: ServerResponse): Context;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: Readonly<Record<string, unknown>>,
      options?: { readonly mergeWithLastSubmission?: boolean },
    ): Promise<void>;
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this;
    on(event: string, listener: (...args: readonly unknown[]) => void): this;
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  export function createMemoryAdapter(): (model: string) => object;
}
