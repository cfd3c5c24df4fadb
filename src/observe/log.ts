import type { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Clock } from '../kernel/index.ts';
import { cleanText, MESSAGE_LIMIT } from './clean-text.ts';
import { createFdSink, type Sink } from './fd-sink.ts';
import { eventLine, type FlatLine } from './log-fields.ts';
import type { LogFields, Logger } from './report.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
type LineLevel = Exclude<LogLevel, 'trace'>;

/** The log as `observe` itself uses it. */
export interface Log extends AsyncDisposable {
  readonly logger: Logger;
  /** Writes the flat line that `make` gives, if the level is written at all. */
  line(level: LineLevel, make: () => FlatLine, message: string): void;
  /** The same for fields that are JSON text already, each with a comma before it. */
  text(level: LineLevel, make: () => string, message: string): void;
  setLevel(level: LogLevel): void;
  flush(): Promise<void>;
}

function writableSink(output: Writable, onLost: (lines: number) => void): Sink {
  // Each write learns of its own failure; without a listener the event would end the process.
  output.on('error', () => {});
  const written = (error?: Error | null): void => {
    if (error) onLost(1);
  };
  return {
    write: (line) => (output.writable ? output.write(line, written) : onLost(1)),
    flush: () => new Promise((resolve) => (output.writable ? output.write('', () => resolve()) : resolve())),
  };
}

/** ISO 8601 text of the clock; many lines share a millisecond. */
function timestamps(clock: Clock): () => string {
  let last = Number.NaN;
  let text = '';
  return () => {
    const now = clock.now();
    if (now !== last) {
      last = now;
      text = `,"@timestamp":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}

/** JSON lines on `output`, or on standard output; `onLost` counts lines that could not be written. Never throws. */
export function createLog(options: {
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly version: string;
  readonly output?: Writable | undefined;
  readonly onLost: (lines: number) => void;
}): Log {
  const sink = options.output
    ? writableSink(options.output, options.onLost)
    : createFdSink(1, options.clock, options.onLost);
  const base = { 'service.name': 'vov-gateway', 'service.version': cleanText(options.version, 64) };
  const baseText = JSON.stringify(base).slice(1, -1);
  const timestamp = timestamps(options.clock);
  const logger = pino(
    {
      level: options.level,
      base,
      messageKey: 'message',
      timestamp,
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    sink,
  );
  const line = (level: LineLevel, make: () => FlatLine, message: string): void => {
    if (!logger.isLevelEnabled(level)) return;
    try {
      logger[level](make(), cleanText(message, MESSAGE_LIMIT));
    } catch {
      options.onLost(1);
    }
  };
  const at =
    (level: LineLevel) =>
    (fields: LogFields, message: string): void =>
      line(level, () => eventLine(fields), message);
  return {
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    line,
    text(level, make, message) {
      if (!logger.isLevelEnabled(level)) return;
      try {
        sink.write(
          `{"log.level":"${level}"${timestamp()},${baseText}${make()},"message":${JSON.stringify(message)}}\n`,
        );
      } catch {
        options.onLost(1);
      }
    },
    setLevel(level) {
      logger.level = level;
    },
    flush: sink.flush,
    [Symbol.asyncDispose]: sink.flush,
  };
}
