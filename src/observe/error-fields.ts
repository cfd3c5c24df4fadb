import { GatewayError } from '../kernel/index.ts';
import { cleanText, FIELD_LIMIT, STACK_LIMIT } from './clean-text.ts';

const CAUSES = 3;
const ERROR_CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/** What the log keeps of a thrown value; every text is already clean. */
export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  /** A system or gateway code such as `ECONNREFUSED`. */
  readonly code: string | undefined;
  /** The frames, joined by ` | `, without the message. */
  readonly stack: string | undefined;
}

const textOf = (error: Error): string =>
  error instanceof GatewayError && error.internal !== undefined
    ? `${error.message} (${error.internal})`
    : error.message;

/** The messages of the error and its causes; a cause may be any thrown value. */
function chain(error: Error): string {
  const texts = [textOf(error)];
  let cause: unknown = error.cause;
  for (let depth = 0; depth < CAUSES && cause !== undefined && cause !== null; depth += 1) {
    texts.push(cause instanceof Error ? `${cause.name}: ${textOf(cause)}` : typeof cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return texts.join(' <- ');
}

function framesOf(error: Error): string | undefined {
  const frames = (error.stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '));
  return frames.length === 0 ? undefined : cleanText(frames.join(' | '), STACK_LIMIT);
}

function codeOf(error: object): string | undefined {
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && ERROR_CODE.test(code) ? code : undefined;
}

/** Reduces a thrown value to type, message, code and stack; own properties of errors never get further. */
export function errorFields(error: unknown): ErrorFields {
  try {
    if (!(error instanceof Error)) {
      const message = typeof error === 'string' ? cleanText(error, FIELD_LIMIT * 2) : `a thrown ${typeof error}`;
      return { type: 'NonError', message, code: undefined, stack: undefined };
    }
    return {
      type: cleanText(String(error.name), 64),
      message: cleanText(chain(error), FIELD_LIMIT * 2),
      code: codeOf(error),
      stack: framesOf(error),
    };
  } catch {
    // A getter of a foreign error may throw; a log call must not.
    return { type: 'Error', message: 'an error that cannot be read', code: undefined, stack: undefined };
  }
}
