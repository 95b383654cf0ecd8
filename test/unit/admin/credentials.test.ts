import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCredentials } from '../../../src/admin/credentials.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-credentials-'));
  file = join(directory, 'credentials.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the root key', () => {
  it('is made on the first start, kept for its owner only, and found again', () => {
    const first = openCredentials(file, undefined);
    expect(first.generated).toBe(true);
    expect(first.rootKey.accessKey).toMatch(/^[A-Z2-7]{20}$/);
    expect(first.rootKey.secretKey).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['credentials.json']);

    const second = openCredentials(file, undefined);
    expect(second.generated).toBe(false);
    expect(second.rootKey).toMatchObject(first.rootKey);
    expect(second.lookup(first.rootKey.accessKey)?.secret).toBe(first.rootKey.secretKey);
    expect(second.lookup('somebody-else')).toBeUndefined();
  });

  it('from the settings wins, and the file stays as it is', () => {
    const made = openCredentials(file, undefined);
    const before = readFileSync(file, 'utf8');
    const given = { accessKey: 'given', secretKey: 'given-secret' };
    const credentials = openCredentials(file, given);
    expect(credentials).toMatchObject({ generated: false, file: undefined, rootKey: given });
    expect(credentials.lookup(made.rootKey.accessKey)).toBeUndefined();
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('belongs to the same owner whatever the key is', () => {
    const made = openCredentials(file, undefined);
    const given = openCredentials(file, { accessKey: 'given', secretKey: 'given-secret' });
    const owner = made.lookup(made.rootKey.accessKey)?.ownerId;
    expect(owner).toMatch(/^[0-9a-f]{64}$/);
    expect(given.lookup('given')?.ownerId).toBe(owner);
  });

  it('is tightened when others could read it', () => {
    openCredentials(file, undefined);
    chmodSync(file, 0o644);
    openCredentials(file, undefined);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('in a damaged file stops the start, and nothing new is made up', () => {
    writeFileSync(file, '{"version":1,"accessKey":"ABC"}');
    expect(() => openCredentials(file, undefined)).toThrow(/credentials\.json is damaged/);
    expect(readFileSync(file, 'utf8')).toBe('{"version":1,"accessKey":"ABC"}');
  });
});
