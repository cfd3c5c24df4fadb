/** Longest string that a log field carries, in UTF-16 units. */
export const FIELD_LIMIT = 256;
/** Longest message of a log line. */
export const MESSAGE_LIMIT = 512;
/** Longest stack trace of a log line. */
export const STACK_LIMIT = 2000;

const MASK = '[masked]';

/** Shapes of secrets that must not reach the log even when a caller puts one into an allowed field. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, MASK],
  [/vgw_[A-Za-z0-9_-]+/g, `vgw_${MASK}`],
  [/eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*/g, `jwt ${MASK}`],
  [/\b(bearer|basic)([ \t]*:[ \t]*|[ \t]+)[A-Za-z0-9._~+/=-]{16,}/gi, `$1$2${MASK}`],
  [
    /(passw(?:or)?d|passphrase|pwd|secret|access_token|api_?key)(["']?\s*[=:]\s*)(?:"[^"]*"?|'[^']*'?|[^\s&,;}]+)/gi,
    `$1$2${MASK}`,
  ],
  [/:\/\/[^/\s@]+@/g, `://${MASK}@`],
];

/** One cheap look decides whether the slow way is needed; nearly every string passes here. */
const SUSPICIOUS =
  /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]|vgw_|eyJ|pass|pwd|secret|token|api_?key|private key|bearer|basic|:\/\//i;

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const visible = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

function maskSecrets(text: string): string {
  let masked = text;
  for (const [shape, replacement] of SECRETS) masked = masked.replace(shape, replacement);
  return masked;
}

/**
 * Makes a text safe for a log line: secrets masked, control characters, line ends, escape sequences and
 * direction marks written out as `\uXXXX`, at most `limit` UTF-16 units and then `…`.
 */
export function cleanText(text: string, limit: number = FIELD_LIMIT): string {
  const rough = text.length > limit * 4 ? text.slice(0, limit * 4) : text;
  const clean = SUSPICIOUS.test(rough) ? maskSecrets(rough).replace(UNPRINTABLE, visible).toWellFormed() : rough;
  return clean.length > limit ? `${clean.slice(0, limit - 1).toWellFormed()}…` : clean;
}
