/**
 * The command line: verbs, flags and help, all derived from the table of settings. It only turns
 * words into data; `config.ts` judges the values and `main.ts` acts.
 */
import { Command, CommanderError, Option } from 'commander';
import {
  environmentName,
  type Row,
  SETTING_NAMES,
  type SettingName,
  SETTINGS,
} from './config-table.ts';
import { ConfigError, type Flags } from './config.ts';
import { addAdminCommands } from './admin/admin-commands.ts';
import type { AdminCommand } from './admin/admin-client.ts';

export type Invocation =
  | { readonly verb: 'serve'; readonly flags: Flags }
  /** To be asked of a running server. */
  | { readonly verb: 'ask'; readonly command: AdminCommand }
  /** Help or the version: printed already composed. */
  | { readonly verb: 'print'; readonly text: string };

/** Texts, lists of variadic flags, counts of flags without a value. */
type Options = Readonly<Record<string, string | readonly string[] | number | undefined>>;

export const VERSION = '0.1.0';

const SECRETS_HELP = SETTING_NAMES.filter((name) => isSecret(name))
  .map((name) => `  ${environmentName(name).padEnd(24)} ${helpText(name)}`)
  .join('\n');

const SERVE_HELP = `
Not taken from the command line, where others could read it:
${SECRETS_HELP}

Every setting is a flag, an environment variable (--arena-mib is SLUICE_ARENA_MIB; several values
are separated by commas) and an entry of the config file ({"arena-mib": 512, "data": ["/d1"]}).
A flag goes before the environment, the environment before the file, the file before the default.`;

/** Throws ConfigError with one line when the words make no sense. */
export function parseCommandLine(words: readonly string[]): Invocation {
  let text = '';
  let invocation: Invocation | undefined;
  const output = { writeOut: (more: string) => (text += more), writeErr: () => {} };
  const program = new Command('sluice')
    .description(
      'High-throughput S3-compatible object endpoint on embedded, erasure-coded storage.',
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput(output)
    .addHelpText('after', '\nsluice serve --help explains every setting with its default.');
  const serve = program
    .command('serve')
    .description('serve S3 on the data directories until SIGTERM or SIGINT')
    .exitOverride()
    .configureOutput(output)
    .configureHelp({ helpWidth: 100 })
    .addHelpText('after', SERVE_HELP)
    .action((flags: Options) => {
      invocation = { verb: 'serve', flags: toFlags(flags) };
    });
  addOptions(serve);
  addAdminCommands(program, output, (command) => {
    invocation = { verb: 'ask', command };
  });
  try {
    program.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { verb: 'print', text };
    if (error.code === 'commander.help') {
      throw new ConfigError('no command given: say `sluice serve`, or `sluice --help`');
    }
    throw new ConfigError(error.message.replace(/^error: /, '').replaceAll('\n', ' '));
  }
  if (invocation === undefined) throw new ConfigError('no command given: say `sluice serve`');
  return invocation;
}

function addOptions(command: Command): void {
  for (const name of SETTING_NAMES) {
    if (isSecret(name)) continue;
    const { argument, many } = SETTINGS[name] as Row;
    const text = helpText(name);
    if (argument === undefined) {
      const count = (_: string, before: number | undefined): number => (before ?? 0) + 1;
      command.addOption(new Option(`--${name}`, text).preset('1').argParser(count));
    } else {
      // `--data a b --data c` and `--domain a --domain b` both gather.
      const placeholder = many ? argument.replace(/(\.\.\.)?>$/, '...>') : argument;
      command.addOption(new Option(`--${name} ${placeholder}`, text));
    }
  }
  command.option('--config <file>', 'JSON file of settings (default: none)');
}

/** Commander names options in camel case; the table does not. */
function toFlags(options: Options): Flags {
  const flags: Record<string, string | readonly string[]> = {};
  for (const name of [...SETTING_NAMES, 'config']) {
    const value = options[name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) continue;
    flags[name] = typeof value === 'number' ? String(value) : value;
  }
  return flags;
}

function isSecret(name: SettingName): boolean {
  return (SETTINGS[name] as Row).secret === true;
}

function helpText(name: SettingName): string {
  const { fallback, fallbackText, help } = SETTINGS[name] as Row;
  return `${help} (default: ${fallbackText ?? String(fallback)})`;
}
