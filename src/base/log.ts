/**
 * The log: structured lines by pino, to standard error, NDJSON or coloured text. The rooms know
 * only the small `Log` interface; the composition root opens the one real log and passes it in.
 *
 * Lines are gathered for a few milliseconds and written synchronously, so that an access log
 * costs no system call per request and a stop, a fatal line or an exit loses nothing.
 */
import { isatty } from 'node:tty';
import pino from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** Fields first, then a constant sentence: what pino takes. An `err` field is serialised. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  child(fields: Record<string, unknown>): Log;
}

export interface OpenLog extends Log {
  /** Writes what is gathered. Called by exit paths; safe to call at any time. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'ndjson' | 'pretty';
  /** File descriptor written to. */
  readonly descriptor?: number;
}

const GATHER_BYTES = 8 * 1024;
const GATHER_MS = 100;

export async function openLog(options: LogOptions): Promise<OpenLog> {
  const descriptor = options.descriptor ?? 2;
  if (options.format === 'pretty') {
    // Loaded only when wanted: it costs megabytes that a server under a supervisor never needs.
    const { default: pretty } = await import('pino-pretty');
    const stream = pretty({
      destination: descriptor,
      sync: true,
      colorize: isatty(descriptor),
      translateTime: 'SYS:HH:MM:ss.l',
    });
    stream.on('error', ignore);
    return withFlush(pino({ level: options.level, base: null }, stream), () => {});
  }
  const stream = pino.destination({ dest: descriptor, sync: true, minLength: GATHER_BYTES });
  stream.on('error', ignore);
  const flush = (): void => {
    try {
      stream.flushSync();
    } catch {
      // As below: nobody reads the log any more.
    }
  };
  // Not `flushSync`, which waits for the disk below the log each time.
  setInterval(() => stream.flush(), GATHER_MS).unref();
  process.on('exit', flush);
  const settings: pino.LoggerOptions = {
    level: options.level,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    base: null,
  };
  return withFlush(pino(settings, stream), flush);
}

/** A reader that went away or a full disk below the log must not take the server down. */
function ignore(): void {}

function withFlush(logger: pino.Logger, flush: () => void): OpenLog {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    fatal: (fields, message) => {
      logger.fatal(fields, message);
      flush();
    },
    child: (fields) => logger.child(fields),
    flush,
  };
}

/** For tests and parts that run without one. */
export const silentLog: Log = pino({ level: 'silent' });
