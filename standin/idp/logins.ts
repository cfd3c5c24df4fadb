import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Person } from './people.ts';

const COOKIE = 'idp_login';

/** A service provider that took part in a login, as its logout needs it. */
export interface Participant {
  readonly entityId: string;
  readonly nameId: string;
  readonly sessionIndex: string;
}

/** One login of one browser, good for both protocols. */
export interface Login {
  readonly id: string;
  readonly person: Person;
  /** Where the browser was sent right after it said who it is; answers to "ask again" (prompt, ForceAuthn). */
  readonly onward: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly participants: Participant[];
}

/** Logins by cookie. */
export interface Logins {
  of(request: IncomingMessage): Login | null;
  start(response: ServerResponse, person: Person, onward: string): Login;
  /** The login is over; the cookie goes. */
  end(login: Login, response: ServerResponse): void;
  /** The login in which a service provider got this NameID and session index. */
  byParticipant(entityId: string, nameId: string, sessionIndex: string | null): Login | null;
}

/** The value of a cookie of a request; null without it. */
export function cookieOf(request: IncomingMessage, name: string): string | null {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1] ?? null;
}

/** Keeps logins in memory. */
export function createLogins(): Logins {
  const logins = new Map<string, Login>();
  const knows = (login: Login, entityId: string, nameId: string, sessionIndex: string | null): boolean =>
    login.participants.some(
      (one) =>
        one.entityId === entityId &&
        one.nameId === nameId &&
        (sessionIndex === null || one.sessionIndex === sessionIndex),
    );
  return {
    of: (request) => logins.get(cookieOf(request, COOKIE) ?? '') ?? null,
    start(response, person, onward) {
      const id = randomBytes(16).toString('base64url');
      const login: Login = { id, person, onward, at: Date.now(), participants: [] };
      logins.set(id, login);
      response.appendHeader('set-cookie', `${COOKIE}=${id}; Path=/; HttpOnly; SameSite=Lax`);
      return login;
    },
    end(login, response) {
      logins.delete(login.id);
      response.appendHeader('set-cookie', `${COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`);
    },
    byParticipant: (entityId, nameId, sessionIndex) =>
      [...logins.values()].find((login) => knows(login, entityId, nameId, sessionIndex)) ?? null,
  };
}
