import { AuthorizationResponseError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client';

const MAX_REASON = 300;

/** A text from outside as it may stand in the log: bounded, control characters and the like replaced. */
export function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_REASON);
}

function textOf(error: Error): string {
  if (error instanceof AuthorizationResponseError) return answered('the provider refused', error);
  if (error instanceof ResponseBodyError) return answered('the token endpoint refused', error);
  if (error instanceof WWWAuthenticateChallengeError)
    return `the provider refused the gateway itself (${error.status})`;
  return error.message;
}

function answered(what: string, error: { readonly error: string; readonly error_description?: string }): string {
  const { error: code, error_description: description } = error;
  return description === undefined ? `${what}: ${code}` : `${what}: ${code} (${description})`;
}

/** Why a library refused, for the log: the messages down its chain of causes, never the values that it compared. */
export function reasonOf(error: unknown): string {
  const texts: string[] = [];
  let link: unknown = error;
  for (let depth = 0; depth < 4 && link instanceof Error; depth++) {
    const text = textOf(link);
    if (!texts.includes(text)) texts.push(text);
    link = link.cause;
  }
  return clean(texts.length === 0 ? String(error) : texts.join(': '));
}
