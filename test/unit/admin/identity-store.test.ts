/** Users that live in the store: what may be done with them, what survives, what is refused. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCredentials } from '../../../src/admin/credentials.ts';
import type { User } from '../../../src/admin/identities.ts';
import { canonicalIdOf, IdentityError, IdentityStore } from '../../../src/admin/identity-store.ts';
import { SecretBox } from '../../../src/admin/secret-box.ts';
import { IDENTITIES, IDENTITY_PREFIX } from '../../../src/meta/keyspace.ts';
import type { MetaStore } from '../../../src/meta/meta-store.ts';
import { parsePolicy } from '../../../src/s3/policy/policy.ts';
import { MemoryMetaStore } from '../../support/memory-meta-store.ts';

const PRINCIPAL = 'testuser/scm@EXAMPLE.COM';
const ROOT = { accessKey: 'ROOTKEY', secretKey: 'root-secret' };
const FILED: User = {
  id: 'filed-id',
  name: 'Filed',
  email: 'filed@example.com',
  admin: false,
  keys: [{ accessKey: 'FILEDKEY', secretKey: 'filed-secret' }],
  policy: undefined,
};
const READ_ONLY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:Get*', Resource: '*' }],
});

let folder: string;
let meta: MetaStore;
let store: IdentityStore;

function open(users: readonly User[] = [FILED]): IdentityStore {
  return IdentityStore.open({
    meta,
    credentials: openCredentials(join(folder, 'none'), ROOT),
    users,
    box: SecretBox.open(join(folder, 'secrets.key')),
    clock: { now: () => 7 },
    readPolicy: (text) => parsePolicy(text, { bucket: undefined, knows: () => true }),
  });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-identity-'));
  meta = new MemoryMetaStore();
  store = open();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function kindOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof IdentityError) return error.kind;
    throw error;
  }
  return 'done';
}

describe('a secret', () => {
  it('is made once, under the name of its user, who is made as well', async () => {
    const { accessKey, secretKey } = await store.makeSecret(PRINCIPAL);
    expect(accessKey).toBe(PRINCIPAL);
    expect(secretKey).toMatch(/^[A-Za-z0-9]{40}$/);
    const ownerId = canonicalIdOf(PRINCIPAL);
    expect(store.lookup(PRINCIPAL)).toEqual({
      secret: secretKey,
      ownerId,
      displayName: PRINCIPAL,
    });
    expect(store.byId(ownerId)).toMatchObject({ displayName: PRINCIPAL, admin: false });
    expect(await kindOf(store.makeSecret(PRINCIPAL))).toBe('exists');
  });

  it('is good after a restart, and sealed in the rows', async () => {
    const { secretKey } = await store.makeSecret('ann');
    expect(open().lookup('ann')?.secret).toBe(secretKey);
    const { rows } = meta.scan(IDENTITIES, { prefix: IDENTITY_PREFIX, limit: 10 });
    expect(rows).toHaveLength(1);
    expect(rows.map(({ value }) => Buffer.from(value).includes(secretKey))).toEqual([false]);
  });

  it('ends when it is revoked, and another can be made', async () => {
    const first = await store.makeSecret('ann');
    await store.revokeSecret('ann');
    expect(store.lookup('ann')).toBeUndefined();
    expect(open().lookup('ann')).toBeUndefined();
    expect(await kindOf(store.revokeSecret('ann'))).toBe('missing');
    expect((await store.makeSecret('ann')).secretKey).not.toBe(first.secretKey);
  });

  it('of a user of the file belongs to that user', async () => {
    await store.makeSecret('Filed');
    expect(store.lookup('Filed')).toMatchObject({ ownerId: 'filed-id', displayName: 'Filed' });
    expect(store.users().map(({ name, accessKeys }) => [name, accessKeys])).toEqual([
      ['root', ['ROOTKEY']],
      ['Filed', ['FILEDKEY', 'Filed']],
    ]);
    await store.revokeSecret('Filed');
    expect(meta.scan(IDENTITIES, { prefix: IDENTITY_PREFIX, limit: 1 }).rows).toEqual([]);
  });

  it.each(['root', 'ROOTKEY', 'FILEDKEY', '', 'a b', 'é', 'x'.repeat(129)])(
    'is not made for %j',
    async (name) => {
      expect(['refused', 'exists']).toContain(await kindOf(store.makeSecret(name)));
      expect(store.users()).toHaveLength(2);
    },
  );

  it('is one, whoever asks at the same time', async () => {
    const asked = Array.from({ length: 8 }, () => kindOf(store.makeSecret('ann')));
    expect((await Promise.all(asked)).toSorted()).toEqual(['done', ...Array(7).fill('exists')]);
  });
});

describe('a user', () => {
  it('is found by id and e-mail, with a policy and rights of his own', async () => {
    const wanted = { name: 'ann', email: 'Ann@example.com', admin: true, policy: READ_ONLY };
    const { id } = await store.createUser(wanted);
    for (const one of [store, open()]) {
      expect(one.byEmail('ann@EXAMPLE.com')).toBe(one.byId(id));
      expect(one.byId(id)).toMatchObject({ admin: true, policy: { statements: [{}] } });
    }
  });

  it('who is disabled has no key, until he is enabled', async () => {
    await store.makeSecret('ann');
    await store.changeUser('ann', { disabled: true });
    expect([store.lookup('ann'), open().lookup('ann')]).toEqual([undefined, undefined]);
    // His key stays his: nobody takes it over meanwhile.
    expect(await kindOf(store.makeSecret('ann'))).toBe('exists');
    await store.changeUser('ann', { disabled: false, policy: READ_ONLY });
    expect(store.lookup('ann')).toBeDefined();
    expect(store.byId(canonicalIdOf('ann'))?.policy).toBeDefined();
    await store.changeUser('ann', { policy: null });
    expect(store.byId(canonicalIdOf('ann'))?.policy).toBeUndefined();
  });

  it('is removed with his keys', async () => {
    await store.createUser({ name: 'ann', email: 'ann@example.com' });
    await store.makeSecret('ann');
    await store.removeUser('ann');
    expect([store.lookup('ann'), store.byEmail('ann@example.com')]).toEqual([undefined, undefined]);
    expect(await kindOf(store.removeUser('ann'))).toBe('missing');
  });

  it('is refused when it would be somebody else, or none', async () => {
    await store.createUser({ name: 'ann', email: 'ann@example.com' });
    expect(await kindOf(store.createUser({ name: 'ann' }))).toBe('exists');
    expect(await kindOf(store.createUser({ name: 'Filed' }))).toBe('exists');
    const taken = { name: 'bob', email: 'filed@example.com' };
    expect(await kindOf(store.createUser(taken))).toBe('exists');
    expect(await kindOf(store.createUser({ name: 'bob', email: 'nowhere' }))).toBe('refused');
    expect(await kindOf(store.createUser({ name: 'bob', policy: '{}' }))).toBe('refused');
    for (const name of ['root', 'Filed']) {
      expect(await kindOf(store.changeUser(name, { disabled: true }))).toBe('refused');
      expect(await kindOf(store.removeUser(name))).toBe('refused');
    }
  });

  it('of the file may not come with a key that was made for another', async () => {
    await store.makeSecret('ann');
    const keys = [{ accessKey: 'ann', secretKey: 'another-secret' }];
    expect(() => open([{ ...FILED, keys }])).toThrow(/gives away the access key of user ann/);
  });
});

describe('the key that seals secrets', () => {
  it('is made once, for its owner alone', () => {
    const file = join(folder, 'secrets.key');
    const before = readFileSync(file, 'utf8');
    SecretBox.open(file);
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('opens what it sealed, for whom it was sealed, unchanged', () => {
    const file = join(folder, 'secrets.key');
    const box = SecretBox.open(file);
    const sealed = box.seal('secret', 'ann');
    expect(SecretBox.open(file).open(sealed, 'ann')).toBe('secret');
    expect(() => box.open(sealed, 'bob')).toThrow();
    const bytes = Buffer.from(sealed, 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => box.open(changed.toString('base64'), 'ann')).toThrow();
    }
    expect(() => box.open('', 'ann')).toThrow();
  });

  it('is not guessed at when its file is damaged', () => {
    const file = join(folder, 'secrets.key');
    writeFileSync(file, 'short');
    expect(() => SecretBox.open(file)).toThrow(/is damaged/);
  });
});
