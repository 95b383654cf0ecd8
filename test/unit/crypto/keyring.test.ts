import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataKeys, openForCustomer } from '../../../src/crypto/data-keys.ts';
import { unwrapKey, wrapKey } from '../../../src/crypto/key-wrap.ts';
import { Keyring } from '../../../src/crypto/keyring.ts';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-keyring-'));
  file = join(directory, 'keyring.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const clock = { now: () => 1_700_000_000_000 };

function open(...names: string[]): Keyring {
  return new Keyring({ file, clock, region: 'eu-central-1', names });
}

function keysOf({ master, kms }: Keyring): DataKeys {
  let count = 0;
  return new DataKeys({ master, kms, newId: () => `id-${(count += 1)}` });
}

describe('the keyring', () => {
  it('is made at the first need, for its owner alone, and is the same after a restart', async () => {
    const keyring = open();
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
    const { seal, key } = await keysOf(keyring).make('AES256', undefined, undefined);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await keysOf(open()).open(seal)).toEqual(key);
    // The data key itself stands nowhere.
    expect(readFileSync(file, 'utf8')).not.toContain(Buffer.from(key).toString('base64'));
    expect(seal.wrapped).not.toContain(Buffer.from(key).toString('base64'));
  });

  it('makes named keys once, and finds them by name, id, alias and ARN', async () => {
    const { kms } = open('blue', 'red');
    const { id, arn } = await kms.find('blue');
    expect(arn).toBe(`arn:aws:kms:eu-central-1:000000000000:key/${id}`);
    const alias = 'arn:aws:kms:us-east-1:123456789012:alias/blue';
    for (const name of [id, arn, 'alias/blue', alias, 'key/blue']) {
      expect((await open('blue').kms.find(name)).id).toBe(id);
    }
    expect((await kms.find('red')).id).not.toBe(id);
    const before = readFileSync(file, 'utf8');
    open('red', 'blue', 'red');
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('makes the default key when it is asked for, and no other', async () => {
    const { kms } = open();
    const { id } = await kms.find(undefined);
    expect((await open().kms.find('alias/aws/s3')).id).toBe(id);
    await expect(kms.find('nobody')).rejects.toMatchObject({
      code: 'KMS.NotFoundException',
      status: 400,
    });
  });

  it('opens a seal under its own key, mode and context only', async () => {
    const keys = keysOf(open('blue', 'red'));
    const { seal } = await keys.make('aws:kms', 'blue', 'e30=');
    await expect(keys.open({ ...seal, context: undefined })).rejects.toThrow(/unwrapped/);
    await expect(keys.open({ ...seal, id: 'other' })).rejects.toThrow(/unwrapped/);
    await expect(keys.open({ ...seal, keyId: 'gone' })).rejects.toThrow(/does not exist/);
    await expect(keys.open({ ...seal, mode: 'AES256' })).rejects.toThrow(/does not exist/);
    const { id } = await keys.find('aws:kms', 'red');
    await expect(keys.open({ ...seal, keyId: id })).rejects.toThrow(/unwrapped/);
  });

  it('is refused when it is damaged, and never shows what stands in it', () => {
    open('blue');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, -20));
    const damaged = (): unknown => open();
    expect(damaged).toThrow(/keyring\.json is damaged: restore it/);
    expect(damaged).not.toThrow(new RegExp(/"key": "(.{10})/.exec(text)?.[1] ?? 'no key'));
  });

  it('that others could read is closed to them', () => {
    open('blue');
    chmodSync(file, 0o644);
    open();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});

describe('a wrapped key', () => {
  const wrapping = new Uint8Array(32).fill(1);
  const key = new Uint8Array(32).fill(2);

  it('opens under its wrapping key and context, in whatever order that was said', () => {
    const wrapped = wrapKey(wrapping, key, { a: '1', b: '2' });
    expect(unwrapKey(wrapping, wrapped, { b: '2', a: '1' })).toEqual(key);
    expect(unwrapKey(new Uint8Array(32), wrapped, { a: '1', b: '2' })).toBeUndefined();
    expect(unwrapKey(wrapping, wrapped, { a: '1' })).toBeUndefined();
    expect(unwrapKey(wrapping, wrapped, { a: '1', b: '3' })).toBeUndefined();
    expect(unwrapKey(wrapping, wrapped.slice(4), { a: '1', b: '2' })).toBeUndefined();
    const changed = Buffer.from(wrapped, 'base64');
    changed[20] = (changed[20] ?? 0) ^ 1;
    const text = changed.toString('base64');
    expect(unwrapKey(wrapping, text, { a: '1', b: '2' })).toBeUndefined();
  });

  it('of a customer opens with that key only', () => {
    const keys = keysOf(open());
    const { seal, key: dataKey } = keys.makeForCustomer(wrapping);
    expect(openForCustomer(seal, wrapping)).toEqual(dataKey);
    expect(openForCustomer(seal, key)).toBeUndefined();
    // Nothing of the keyring was needed for it.
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });
});
