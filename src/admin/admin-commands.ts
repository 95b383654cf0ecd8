/**
 * The commands that a running server is asked, and their help: Ozone's `s3 getsecret` and
 * `s3 revokesecret` by its own words, and `admin user`. Words become data here; nothing is asked.
 */
import { userInfo } from 'node:os';
import type { Command, OutputConfiguration } from 'commander';
import type { AdminCommand } from './admin-client.ts';

const DATA = './data';

const HOW = `
Asks the server that runs on the data directory, over a socket that only its user may open.
The directory is the first of the server's --data (SLUICE_DATA when not given, else ${DATA}).`;

interface Options {
  readonly data?: string;
  readonly user?: string;
  readonly yes?: boolean;
  readonly email?: string;
  readonly admin?: boolean;
  readonly policy?: string;
  readonly json?: boolean;
}

export function addAdminCommands(
  program: Command,
  output: OutputConfiguration,
  chosen: (command: AdminCommand) => void,
): void {
  const plain = (parent: Command, usage: string, description: string): Command =>
    parent
      .command(usage)
      .description(description)
      .option('--data <dir>', 'first data directory of the server')
      .exitOverride()
      .configureOutput(output)
      .addHelpText('after', HOW);
  const group = (parent: Command, name: string, description: string): Command =>
    parent.command(name).description(description).exitOverride().configureOutput(output);
  const where = ({ data }: Options): string =>
    data ?? process.env['SLUICE_DATA']?.split(',')[0] ?? DATA;
  const whom = ({ user }: Options): string => user ?? userInfo().username;

  const s3 = group(program, 's3', 'secrets of S3 users, as in Apache Ozone');
  plain(s3, 'getsecret', 'make a secret for a user and print it, once')
    .option('-u, --user <name>', 'for whom (default: who runs the command)')
    .action((options: Options) =>
      chosen({ kind: 'getsecret', data: where(options), user: whom(options) }),
    );
  plain(s3, 'revokesecret', "revoke a user's secret: it is refused from then on")
    .option('-u, --user <name>', 'whose (default: who runs the command)')
    .option('-y, --yes', 'do not ask for confirmation')
    .action((options: Options) => {
      const { yes = false } = options;
      chosen({ kind: 'revokesecret', data: where(options), user: whom(options), yes });
    });

  const admin = group(program, 'admin', 'look after a running server');
  plain(admin, 'status', 'what the server does and holds: requests, errors, datanodes, memory')
    .option('--json', 'print JSON')
    .action((options: Options) =>
      chosen({ kind: 'status', data: where(options), json: options.json === true }),
    );
  const user = group(admin, 'user', 'users of the server');
  plain(user, 'list', 'list users and their access keys')
    .option('--json', 'print JSON')
    .action((options: Options) =>
      chosen({ kind: 'list-users', data: where(options), json: options.json === true }),
    );
  plain(user, 'add <name>', 'make a user; his secret comes from s3 getsecret -u NAME')
    .option('--email <address>', 'address by which ACLs may name him')
    .option('--admin', 'may do everything')
    .option('--policy <file>', 'identity policy, JSON: only what it allows is allowed')
    .action((name: string, options: Options) => {
      const { email, admin: isAdmin, policy } = options;
      const more = { email, admin: isAdmin, policyFile: policy };
      chosen({ kind: 'add-user', data: where(options), user: name, ...more });
    });
  const change = (verb: 'disable' | 'enable', description: string): Command =>
    plain(user, `${verb} <name>`, description).action((name: string, options: Options) => {
      const disabled = verb === 'disable';
      chosen({ kind: 'switch-user', data: where(options), user: name, disabled });
    });
  change('disable', 'accept none of a user’s keys until he is enabled again');
  change('enable', 'accept the keys of a user again');
  plain(user, 'remove <name>', 'remove a user and his keys; what he owns stays')
    .option('-y, --yes', 'do not ask for confirmation')
    .action((name: string, options: Options) => {
      const { yes = false } = options;
      chosen({ kind: 'remove-user', data: where(options), user: name, yes });
    });
}
