import type { Cookie } from '../kernel/index.ts';

/** Cookies of the gateway under their names on the wire: `__Host-` and Secure under https, plain names under http. */
export interface CookieJar {
  /** The gateway's own cookies of a request, by name without prefix. One that came twice is none: somebody planted it. */
  read(header: string | undefined): ReadonlyMap<string, string>;
  /** The Set-Cookie value of a cookie. */
  write(cookie: Cookie): string;
}

const PREFIX = '__Host-';
/** Characters of a cookie-value (RFC 6265, 4.1.1) without quotes; whatever the gateway sets is among them. */
const VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
/** Space and tab only (RFC 6265, 5.2): `trim` would take U+00A0 away too, and let a sibling host plant a `__Host-` cookie. */
const BLANKS = /^[ \t]+|[ \t]+$/g;
const NONE: ReadonlyMap<string, string> = new Map();

/** `secure`: callers reach the gateway by https. Without it a browser would not keep `__Host-` cookies (RFC 6265bis, 4.1.3.2). */
export function createCookieJar(secure: boolean): CookieJar {
  const prefix = secure ? PREFIX : '';
  return {
    read(header) {
      if (header === undefined) return NONE;
      const found = new Map<string, string>();
      const twice = new Set<string>();
      for (const part of header.split(';')) {
        const at = part.indexOf('=');
        const name = part.slice(0, at).replace(BLANKS, '');
        if (at === -1 || !name.startsWith(prefix)) continue;
        const own = name.slice(prefix.length);
        if (found.has(own)) twice.add(own);
        found.set(own, part.slice(at + 1).replace(BLANKS, ''));
      }
      for (const name of twice) found.delete(name);
      return found;
    },
    write({ name, value, sameSite, maxAge }) {
      if (!VALUE.test(value)) throw new TypeError(`the cookie ${name} has a value that no cookie may have`);
      // SameSite=None is accepted together with Secure only; on one host it is not needed.
      const site = sameSite === 'none' && secure ? 'None' : 'Lax';
      const life = value === '' ? '; Max-Age=0' : maxAge === null ? '' : `; Max-Age=${Math.floor(maxAge)}`;
      return `${prefix}${name}=${value}; Path=/; HttpOnly; SameSite=${site}${secure ? '; Secure' : ''}${life}`;
    },
  };
}
