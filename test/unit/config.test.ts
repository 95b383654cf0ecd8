import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli.ts';
import { environmentName, SETTING_NAMES, SETTINGS } from '../../src/config-table.ts';
import { ConfigError, isLoopback, readSettings, type Settings } from '../../src/config.ts';
import { LIMITS } from '../../src/base/limits.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sluice-config-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function serve(words: string, env: NodeJS.ProcessEnv = {}): Settings {
  const invocation = parseCommandLine(['serve', ...words.split(' ').filter(Boolean)]);
  if (invocation.verb !== 'serve') throw new Error('not serve');
  return readSettings(invocation.flags, env);
}

function refusal(words: string, env: NodeJS.ProcessEnv = {}): string {
  try {
    serve(words, env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${words}`);
}

function configFile(content: unknown): string {
  const path = join(scratch, `config-${readdirSync(scratch).length}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('settings', () => {
  it('have the documented defaults', () => {
    const data = resolve('data');
    expect(serve('')).toMatchObject({
      dataDirectories: [data],
      metaDirectory: join(data, 'meta'),
      credentialsFile: join(data, 'credentials.json'),
      datanodeDirectories: [1, 2, 3].map((n) => join(data, `datanode-${n}`)),
      replication: 'xor-2-1-1024k',
      host: '127.0.0.1',
      port: 9878,
      domains: [],
      region: undefined,
      durability: 'durable',
      insecure: false,
      sigv2: false,
      arenaBytes: LIMITS.arenaBytes,
      reclaimGraceMs: LIMITS.reclaimGraceMs,
      uploadDays: LIMITS.uploadDays,
      lifecycleDayMs: 86_400_000,
      websiteDomains: [],
      accessLogMs: 60_000,
      eventTargets: [],
      kmsKeys: [],
      rootKey: undefined,
      tls: undefined,
      identitiesFile: undefined,
      identities: { users: [], kmsKeys: [] },
      defaultOwnership: 'BucketOwnerEnforced',
    });
    expect(Object.isFrozen(serve(''))).toBe(true);
  });

  it('come from flags before environment before file before defaults', () => {
    const config = configFile({ region: 'file', 'arena-mib': 64, 'upload-days': '3' });
    const env = { SLUICE_REGION: 'env', SLUICE_ARENA_MIB: '128', SLUICE_CONFIG: config };
    const settings = serve('--region flag', env);
    expect(settings.region).toBe('flag');
    expect(settings.arenaBytes).toBe(128 * 1024 * 1024);
    expect(settings.uploadDays).toBe(3);
    expect(settings.replication).toBe('xor-2-1-1024k');
    expect(serve(`--config ${config}`).region).toBe('file');
  });

  it('take lists from repeated and variadic flags, commas and arrays', () => {
    const config = configFile({ domain: ['a.test', 'b.test'] });
    expect(serve('--domain a.test --domain .B.test').domains).toEqual(['a.test', 'b.test']);
    expect(serve('--domain a.test b.test').domains).toEqual(['a.test', 'b.test']);
    expect(serve('', { SLUICE_DOMAIN: 'a.test,b.test' }).domains).toEqual(['a.test', 'b.test']);
    expect(serve(`--config ${config}`).domains).toEqual(['a.test', 'b.test']);
  });

  it('spread datanodes round robin over data directories', () => {
    const settings = serve('--data /srv/a /srv/b --datanodes 5');
    expect(settings.datanodeDirectories).toEqual([
      '/srv/a/datanode-1',
      '/srv/b/datanode-2',
      '/srv/a/datanode-3',
      '/srv/b/datanode-4',
      '/srv/a/datanode-5',
    ]);
    expect(serve('--data /1 /2 /3 /4').datanodeDirectories).toHaveLength(4);
  });

  it.each([
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['[::1]:80', '::1', 80],
    ['localhost:9878', 'localhost', 9878],
  ])('listen on %s', (text, host, port) => {
    expect(serve(`--listen ${text}`)).toMatchObject({ host, port });
  });
});

describe('bad settings are refused in one line', () => {
  it.each([
    ['--datanodes 0', '--datanodes: expected a whole number from 1 to 64, got "0"'],
    ['--datanodes 3x', '--datanodes: expected a whole number'],
    ['--replication raid', '--replication: expected one of one, two, three, xor-2-1-1024k'],
    ['--replication rs-6-3-1024k', 'rs-6-3-1024k needs 9 datanodes, not 3: say --datanodes 9'],
    ['--replication three --datanodes 2', 'three needs 3 datanodes, not 2'],
    ['--data /a /b --datanodes 1 --replication one', 'say --datanodes 2'],
    ['--data /a --data /a/', '/a is given twice'],
    ['--data /dev/null', '/dev/null is not a directory'],
    ['--data /dev/null/below', '--data: /dev/null'],
    ['--listen 9878', '--listen: expected HOST:PORT'],
    ['--listen 127.0.0.1:65536', '--listen: expected HOST:PORT'],
    ['--listen [zz]:1', '--listen: expected HOST:PORT'],
    ['--listen ::1:80', '--listen: expected HOST:PORT'],
    ['--domain 10.0.0.1', '--domain: expected a domain name'],
    ['--region Mars!', '--region: expected'],
    ['--durability maybe', '--durability: expected one of durable, relaxed'],
    ['--log-level loud', '--log-level: expected one of'],
    ['--arena-mib 4096', '--arena-mib: expected a whole number from 32 to 2047'],
    ['--config /nonexistent.json', 'config file "/nonexistent.json" cannot be read: ENOENT'],
    ['--datanode 3', "unknown option '--datanode'"],
    ['--region', 'argument missing'],
    ['extra', 'too many arguments'],
  ])('%s', (words, expected) => {
    const message = refusal(words);
    expect(message).toContain(expected);
    expect(message).not.toContain('\n');
  });

  it('names the place a bad value came from', () => {
    expect(refusal('', { SLUICE_DATANODES: 'x' })).toMatch(/^SLUICE_DATANODES: /);
    const config = configFile({ datanodes: 'x' });
    expect(refusal(`--config ${config}`)).toMatch(/^"datanodes" in the config file: /);
  });

  it.each([
    ['{"datanode": 3}', 'unknown setting "datanode"'],
    ['[]', 'expected one object'],
    ['{"data": {"a": 1}}', 'expected one object of plain values data'],
    ['{', 'cannot be read'],
  ])('config file %s', (content, expected) => {
    expect(refusal(`--config ${configFile(content)}`)).toContain(expected);
  });

  it('a root key needs both halves, and its secret is never repeated', () => {
    expect(refusal('', { SLUICE_ROOT_ACCESS_KEY: 'abc' })).toContain('go together');
    const env = { SLUICE_ROOT_ACCESS_KEY: 'abc', SLUICE_ROOT_SECRET_KEY: 'hush me' };
    expect(refusal('', env)).toMatch(/^SLUICE_ROOT_SECRET_KEY: expected 8 to 128/);
    expect(refusal('', env)).not.toContain('hush');
    const good = { ...env, SLUICE_ROOT_SECRET_KEY: 'hush-me-now' };
    expect(serve('', good).rootKey).toEqual({ accessKey: 'abc', secretKey: 'hush-me-now' });
    expect(() => parseCommandLine(['serve', '--root-secret-key', 'x'])).toThrow(/unknown option/);
  });
});

describe('--insecure', () => {
  it('is said once on loopback and twice elsewhere', () => {
    expect(serve('--insecure').insecure).toBe(true);
    expect(refusal('--insecure --listen 0.0.0.0:9878')).toContain('say it twice');
    expect(serve('--insecure --insecure --listen 0.0.0.0:9878').insecure).toBe(true);
    expect(refusal('--listen [::]:1', { SLUICE_INSECURE: 'true' })).toContain('say it twice');
    expect(serve('--listen [::]:1', { SLUICE_INSECURE: 'twice' }).insecure).toBe(true);
    expect(serve('', { SLUICE_INSECURE: 'false' }).insecure).toBe(false);
  });

  it('knows loopback by address, not by look', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).not.toContain(false);
    expect(['127.evil.test', '0.0.0.0', '::', '10.0.0.1'].map(isLoopback)).not.toContain(true);
  });
});

describe('help', () => {
  const text = (words: string[]): string => {
    const invocation = parseCommandLine(words);
    return invocation.verb === 'print' ? invocation.text.replaceAll(/\s+/g, ' ') : '';
  };

  it('explains every setting with its default', () => {
    const help = text(['serve', '--help']);
    for (const name of SETTING_NAMES) {
      const shown = name.startsWith('root-') ? environmentName(name) : `--${name}`;
      expect(help).toContain(shown);
      expect(help).toContain(SETTINGS[name].help);
    }
    expect(help.match(/\(default: /g)).toHaveLength(SETTING_NAMES.length + 1);
    expect(help).toContain('(default: 127.0.0.1:9878)');
    expect(help).not.toContain('undefined');
  });

  it('is found from the top, and words without a command are refused', () => {
    expect(text(['--help'])).toContain('sluice serve --help');
    expect(text(['--version'])).toMatch(/^\d+\.\d+\.\d+ $/);
    expect(() => parseCommandLine([])).toThrow(/no command given/);
    expect(() => parseCommandLine(['bake'])).toThrow(/unknown command 'bake'/);
  });
});

describe('identities', () => {
  const user = { id: 'u', name: 'U', keys: [{ accessKey: 'KEY1', secretKey: 'secret-1' }] };

  it('are read from their file', () => {
    const file = configFile({ users: [user], kmsKeys: ['k'] });
    for (const settings of [
      serve(`--identities ${file}`),
      serve('', { SLUICE_IDENTITIES: file }),
    ]) {
      expect(settings.identitiesFile).toBe(file);
      expect(settings.identities).toMatchObject({ users: [{ id: 'u' }], kmsKeys: ['k'] });
    }
  });

  it.each([
    ['{', /: not valid JSON$/],
    [{ users: [user, user] }, /: two users with the id u$/],
    [{ users: [{ ...user, policy: { Statement: {} } }] }, /: users\.0\.policy: Missing required/],
    [{ users: [{ ...user, keys: [{ accessKey: 'ROOT', secretKey: 'secret-1' }] }] }, /root access/],
  ])('%j: one line', (content, line) => {
    const file = configFile(content);
    const env = { SLUICE_ROOT_ACCESS_KEY: 'ROOT', SLUICE_ROOT_SECRET_KEY: 'root-secret' };
    const message = refusal(`--identities ${file}`, env);
    expect(message.startsWith(`--identities: ${file}: `)).toBe(true);
    expect(message).toMatch(line);
    expect(message).not.toContain('\n');
  });

  it('of a missing file are a bad setting', () => {
    expect(refusal('--identities /nowhere/at-all.json')).toMatch(/ENOENT/);
  });

  it('and ownership have names that are checked', () => {
    expect(serve('--default-object-ownership ObjectWriter').defaultOwnership).toBe('ObjectWriter');
    expect(refusal('--default-object-ownership Me')).toMatch(/expected one of/);
  });
});
