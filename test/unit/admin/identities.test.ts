/** The identities file: what it may say, how it is refused, and who is found afterwards. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCredentials } from '../../../src/admin/credentials.ts';
import {
  isReadableByOthers,
  openDirectory,
  parseIdentities,
} from '../../../src/admin/identities.ts';
import { parsePolicy } from '../../../src/s3/policy/policy.ts';

const ROOT = { accessKey: 'ROOTKEY', secretKey: 'root-secret' };
const home = { bucket: undefined, knows: () => true };
const read = (document: unknown) =>
  parseIdentities(JSON.stringify(document), (text) => parsePolicy(text, home));

const KEY = { accessKey: 'ANNKEY', secretKey: 'ann-secret' };
const ANN = { id: 'ann-id', name: 'Ann', email: 'ann@example.com', keys: [KEY] };
const BOB = {
  id: 'bob-id',
  name: 'Bob',
  admin: true,
  keys: [
    { accessKey: 'BOBKEY1', secretKey: 'bob-secret' },
    { accessKey: 'BOBKEY2', secretKey: 'bob-secret' },
  ],
  policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
};

describe('an identities file', () => {
  it('may leave everything out', () => {
    expect(read({})).toEqual({ users: [], kmsKeys: [] });
  });

  it('names users and encryption keys', () => {
    const { users, kmsKeys } = read({ users: [ANN, BOB], kmsKeys: ['one', 'two'] });
    expect(users.map(({ id, admin, keys }) => [id, admin, keys.length])).toEqual([
      ['ann-id', false, 1],
      ['bob-id', true, 2],
    ]);
    expect(users.map(({ policy }) => policy?.statements.length)).toEqual([undefined, 1]);
    expect(kmsKeys).toEqual(['one', 'two']);
  });

  it.each([
    [[], /expected object/],
    [{ user: [] }, /user/],
    [{ users: [{ ...ANN, id: undefined }] }, /^users\.0\.id: /],
    [{ users: [{ ...ANN, id: 'a b' }] }, /^users\.0\.id: expected 1 to 128/],
    [{ users: [{ ...ANN, name: '' }] }, /^users\.0\.name: expected a name/],
    [{ users: [{ ...ANN, email: 'ann' }] }, /^users\.0\.email: expected an e-mail address/],
    [{ users: [{ ...ANN, admin: 'yes' }] }, /^users\.0\.admin: /],
    [{ users: [{ ...ANN, secret: 'x' }] }, /secret/],
    [{ users: [{ ...ANN, keys: [{ accessKey: 'ANNKEY' }] }] }, /^users\.0\.keys\.0\.secretKey: /],
    [{ users: [{ ...ANN, keys: [{ ...KEY, secretKey: 'short' }] }] }, /expected 8 to 128/],
    [{ users: [ANN, { ...BOB, id: 'ann-id' }] }, /^two users with the id ann-id$/],
    [{ users: [ANN, { ...BOB, email: 'ANN@example.com' }] }, /^two users with the e-mail/],
    [{ users: [ANN, { ...BOB, keys: [KEY] }] }, /^two keys called ANNKEY$/],
    [{ kmsKeys: ['a', 'a'] }, /^two kmsKeys called a$/],
    [{ users: [{ ...ANN, policy: { Statement: [] } }] }, /^users\.0\.policy: /],
    [{ users: [{ ...ANN, policy: 'all' }] }, /^users\.0\.policy: /],
  ])('%j is refused in one line', (document, message) => {
    expect(() => read(document)).toThrow(message);
  });

  it('never shows its secrets when it is refused', () => {
    const broken = `{"users": [{"secretKey": "very-secret" ]`;
    expect(() => parseIdentities(broken, () => ({ statements: [] }))).toThrow(/^not valid JSON$/);
    for (const secretKey of ['secret with spaces', 'sécret-sécret']) {
      const document = { users: [{ ...ANN, keys: [{ ...KEY, secretKey }] }] };
      expect(() => read(document)).not.toThrow(new RegExp(secretKey));
    }
  });

  it('is known to be readable by others', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-identities-'));
    try {
      const file = join(folder, 'identities.json');
      writeFileSync(file, '{}', { mode: 0o600 });
      expect(isReadableByOthers(file)).toBe(false);
      chmodSync(file, 0o644);
      expect(isReadableByOthers(file)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the directory', () => {
  const credentials = openCredentials('/unused', ROOT);
  const { users } = read({ users: [ANN, BOB] });
  const directory = openDirectory(credentials, users);
  const rootId = credentials.rootOwner.ownerId;

  it('finds root and the users by key, id and e-mail address', () => {
    expect(directory.lookup('ROOTKEY')?.ownerId).toBe(rootId);
    expect(directory.lookup('ANNKEY')).toEqual({
      secret: 'ann-secret',
      ownerId: 'ann-id',
      displayName: 'Ann',
    });
    expect(directory.lookup('BOBKEY2')?.ownerId).toBe('bob-id');
    expect(directory.lookup('nobody')).toBeUndefined();
    expect(directory.byId(rootId)?.admin).toBe(true);
    expect(directory.byId('ann-id')?.admin).toBe(false);
    expect(directory.byId('bob-id')?.policy?.statements).toHaveLength(1);
    expect(directory.byEmail('ANN@example.COM')?.id).toBe('ann-id');
    expect(directory.byEmail('')).toBeUndefined();
  });

  it('lets nobody be root by name or by key', () => {
    const asRoot = read({ users: [{ ...ANN, id: rootId }] }).users;
    expect(() => openDirectory(credentials, asRoot)).toThrow(/root's id/);
    const rootKey = {
      users: [{ ...ANN, keys: [{ accessKey: 'ROOTKEY', secretKey: 'x'.repeat(8) }] }],
    };
    expect(() => openDirectory(credentials, read(rootKey).users)).toThrow(/root access key/);
  });
});
