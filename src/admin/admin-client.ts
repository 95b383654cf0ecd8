/**
 * Carries out commands that a running server is asked. Exit codes: 0 done; 1 refused, not done, or
 * nobody answers. Secrets go to standard output and nowhere else.
 */
import { readFileSync } from 'node:fs';
import type { RootKey } from './credentials.ts';
import type { UserView } from './identity-store.ts';
import { askServer, NoServer } from './admin-socket.ts';
import { type ServerStatus, statusText } from './server-status.ts';

interface OfUser {
  /** First data directory of the server. */
  readonly data: string;
  readonly user: string;
}

export type AdminCommand =
  | (OfUser & { readonly kind: 'getsecret' })
  | (OfUser & { readonly kind: 'revokesecret' | 'remove-user'; readonly yes: boolean })
  | (OfUser & { readonly kind: 'switch-user'; readonly disabled: boolean })
  | (OfUser & {
      readonly kind: 'add-user';
      readonly email: string | undefined;
      readonly admin: boolean | undefined;
      readonly policyFile: string | undefined;
    })
  | { readonly kind: 'list-users' | 'status'; readonly data: string; readonly json: boolean };

/** What a command talks to. */
export interface Terminal {
  write(text: string): void;
  /** One line, without its end. */
  complain(text: string): void;
  ask(question: string): Promise<string>;
}

/** The server said no, in words for a person. */
class Refused extends Error {
  override readonly name = 'Refused';
}

export async function runAdminCommand(command: AdminCommand, terminal: Terminal): Promise<number> {
  try {
    return await run(command, terminal);
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof NoServer)) throw error;
    terminal.complain(error.message);
    return 1;
  }
}

async function run(command: AdminCommand, terminal: Terminal): Promise<number> {
  const { data } = command;
  switch (command.kind) {
    case 'getsecret': {
      const key = (await ask(data, 'POST', '/v1/secrets', { name: command.user })) as RootKey;
      terminal.write(`awsAccessKey=${key.accessKey}\nawsSecret=${key.secretKey}\n`);
      return 0;
    }
    case 'revokesecret': {
      const question = `Enter 'y' to confirm S3 secret revocation for '${command.user}': `;
      if (!(await isSure(command.yes, question, terminal))) return aborted(terminal);
      await ask(data, 'DELETE', '/v1/secrets', { name: command.user });
      terminal.write('S3 secret revoked.\n');
      return 0;
    }
    case 'list-users': {
      const users = (await ask(data, 'GET', '/v1/users')) as readonly UserView[];
      terminal.write(command.json ? `${JSON.stringify(users, undefined, 2)}\n` : table(users));
      return 0;
    }
    case 'status': {
      const status = (await ask(data, 'GET', '/v1/status')) as ServerStatus;
      const text = command.json ? `${JSON.stringify(status, undefined, 2)}\n` : statusText(status);
      terminal.write(text);
      return 0;
    }
    case 'add-user': {
      const { user: name, email, admin, policyFile } = command;
      const policy = policyFile === undefined ? undefined : readText(policyFile);
      await ask(data, 'POST', '/v1/users', { name, email, admin, policy });
      terminal.write(`User ${name} made. For a key: sluice s3 getsecret -u ${name}\n`);
      return 0;
    }
    case 'switch-user': {
      const { user: name, disabled } = command;
      await ask(data, 'PATCH', '/v1/users', { name, disabled });
      terminal.write(`User ${name} is ${disabled ? 'disabled' : 'enabled'}.\n`);
      return 0;
    }
    case 'remove-user': {
      const question = `Enter 'y' to remove user '${command.user}' and his keys: `;
      if (!(await isSure(command.yes, question, terminal))) return aborted(terminal);
      await ask(data, 'DELETE', '/v1/users', { name: command.user });
      terminal.write(`User ${command.user} removed.\n`);
      return 0;
    }
  }
}

async function ask(data: string, method: string, path: string, input?: unknown): Promise<unknown> {
  const { status, body } = await askServer(data, method, path, input);
  if (status === 200) return body;
  throw new Refused((body as { readonly error?: string }).error ?? `the server answered ${status}`);
}

async function isSure(yes: boolean, question: string, terminal: Terminal): Promise<boolean> {
  return yes || (await terminal.ask(question)).trim().toLowerCase() === 'y';
}

function aborted(terminal: Terminal): number {
  terminal.complain('nothing was changed');
  return 1;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Refused(`${file}: ${(error as Error).message}`);
  }
}

function table(users: readonly UserView[]): string {
  const rows = users.map((user) => [
    user.name,
    user.id,
    [user.admin ? 'admin' : '', user.disabled ? 'disabled' : '', user.source]
      .filter((word) => word !== '')
      .join(' '),
    user.accessKeys.join(' '),
  ]);
  const all = [['NAME', 'CANONICAL ID', 'STATE', 'ACCESS KEYS'], ...rows];
  const widths = [0, 1, 2].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return all.map((row) => `${line(row).trimEnd()}\n`).join('');
}
