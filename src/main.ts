/**
 * The program: words in, exit code out. Exit codes: 0 stopped as asked; 1 could not start, or a
 * broken invariant (a supervisor starts it again); 2 bad settings, and nothing was touched.
 *
 * The rooms are loaded only once the settings are good: help and refusals load no native code.
 */
import { realpathSync } from 'node:fs';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { bannerText, endpointUrl } from './banner.ts';
import type { Terminal } from './admin/admin-client.ts';
import { openLog, type OpenLog } from './base/log.ts';
import { parseCommandLine } from './cli.ts';
import type { Sluice } from './compose.ts';
import { ConfigError, readSettings, type Settings } from './config.ts';

/**
 * Under `npm start` one Ctrl-C arrives twice: from the terminal and passed on by npm. Only a
 * signal later than this is a person who has lost patience.
 */
const SAME_SIGNAL_MS = 500;

export async function main(words: readonly string[]): Promise<void> {
  let settings: Settings;
  try {
    const invocation = parseCommandLine(words);
    if (invocation.verb === 'print') {
      process.stdout.write(invocation.text);
      return;
    }
    if (invocation.verb === 'ask') {
      const { runAdminCommand } = await import('./admin/admin-client.ts');
      process.exitCode = await runAdminCommand(invocation.command, terminal());
      return;
    }
    settings = readSettings(invocation.flags, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`sluice: ${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  await serve(settings);
}

async function serve(settings: Settings): Promise<void> {
  const auto = isatty(2) ? 'pretty' : 'ndjson';
  const format = settings.logFormat === 'auto' ? auto : settings.logFormat;
  const log = await openLog({ level: settings.logLevel, format });
  const starting = start(settings, log);
  // From the first moment on: a stop during the start is as orderly as one after it.
  stopOnSignals(starting, log);
  const sluice = await starting;
  const { host, port, credentials } = sluice;
  log.info(
    { endpoint: endpointUrl(host, port, settings.tls !== undefined), pid: process.pid },
    'serving',
  );
  if (settings.durability === 'relaxed') log.warn({}, 'durability is relaxed');
  if (settings.insecure) log.warn({}, 'security is off: any key is accepted');
  // `sluice serve | head -1` is no reason to stop.
  process.stdout.on('error', () => {});
  process.stdout.write(bannerText(settings, port, credentials));
}

async function start(settings: Settings, log: OpenLog): Promise<Sluice> {
  const onFatal = crashStop(log);
  try {
    const { compose } = await import('./compose.ts');
    return await compose(settings, { log, onFatal });
  } catch (error) {
    log.debug({ err: error }, 'cannot start');
    log.flush();
    process.stderr.write(`sluice: cannot start: ${firstLine(error)}\n`);
    process.exit(1);
  }
}

/** A broken invariant: whatever goes on from here could acknowledge what is not so. */
function crashStop(log: OpenLog): (error: unknown) => void {
  const stop = (error: unknown): void => {
    log.fatal({ err: error }, 'a broken invariant: stopping at once');
    process.exit(1);
  };
  process.on('uncaughtException', stop);
  process.on('unhandledRejection', stop);
  return stop;
}

function stopOnSignals(starting: Promise<Sluice>, log: OpenLog): void {
  let firstMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (firstMs !== undefined) {
      if (nowMs - firstMs < SAME_SIGNAL_MS) return;
      log.warn({ signal }, 'stopping at once');
      process.exit(1);
    }
    firstMs = nowMs;
    log.info({ signal }, 'stopping: no new requests, finishing what runs');
    starting
      .then((sluice) => sluice.close())
      .then(() => {
        log.info({}, 'stopped');
        process.exit(0);
      })
      .catch((error: unknown) => {
        log.fatal({ err: error }, 'could not close cleanly');
        process.exit(1);
      });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** What commands talk to. */
function terminal(): Terminal {
  return {
    write: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(`sluice: ${text}\n`),
    ask: async (question) => {
      const { createInterface } = await import('node:readline/promises');
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      // A closed input is no answer.
      const closed = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
      const answer = await Promise.race([reader.question(question), closed]);
      reader.close();
      return answer;
    },
  };
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? '';
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}
