/** Where a browser goes that named no place, or none of ours. */
export const HOME = '/ui/';

const LONGEST = 2048;
/** Encodings of encodings that are looked through. */
const LAYERS = 4;
/** Printable ASCII without quotes, brackets, backslash, space and colon: nothing that two programs read differently. */
const PLAIN = /^\/[A-Za-z0-9._~!$&()*+,;=@?/-]*$/;
const DOTS = /(?:^|\/)\.{1,2}(?:[/?;]|$)/;
/** Places of the sign-in itself: to return there would be a circle. */
const SIGN_IN = /^\/(?:login|logout|signed-out|saml|oidc)(?:[/?;]|$)/i;

/**
 * The target when it is a plain path of the gateway (RFC 9700, 4.11: no open redirector), else `/ui/`. Every layer of
 * percent-encoding is looked at; what is given back are the bytes that came.
 */
export function toReturnTarget(target: string | null | undefined): string {
  return target && target.length <= LONGEST && isPlain(target) ? target : HOME;
}

function isPlain(target: string): boolean {
  let text = target;
  for (let layer = 0; layer < LAYERS; layer++) {
    if (!isPlainLayer(text)) return false;
    if (!text.includes('%')) return true;
    const next = decoded(text);
    if (next === null) return false;
    text = next;
  }
  return false;
}

function isPlainLayer(text: string): boolean {
  return PLAIN.test(text.replaceAll('%', '')) && !text.includes('//') && !DOTS.test(text) && !SIGN_IN.test(text);
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
