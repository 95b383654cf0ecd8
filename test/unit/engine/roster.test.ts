/** The roster: folders are recognised by their id files, wherever they are mounted. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRoster } from '../../../src/engine/roster.ts';

describe('roster', () => {
  let root: string;
  let meta: string;
  let folders: string[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-roster-'));
    meta = join(root, 'meta');
    mkdirSync(meta);
    folders = [0, 1, 2].map((node) => join(root, `datanode-${node}`));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const states = (directories: readonly string[]): unknown =>
    openRoster(meta, directories).map(({ node, state }) => [node, state]);

  const allUp = [
    [0, 'up'],
    [1, 'up'],
    [2, 'up'],
  ];

  it('makes folders on the first start and knows them on the next', () => {
    const first = openRoster(meta, folders);
    expect(first.map(({ state }) => state)).toEqual(['up', 'up', 'up']);
    expect(openRoster(meta, folders)).toEqual(first);
    expect(openRoster(meta, folders.toReversed())).toEqual(first);
  });

  it('an empty or missing folder in place of a known one is not trusted', () => {
    openRoster(meta, folders);
    rmSync(folders[1] ?? '', { recursive: true });
    const lost = [
      [0, 'up'],
      [1, 'gone'],
      [2, 'up'],
    ];
    expect(states(folders)).toEqual(lost);
    mkdirSync(folders[1] ?? '');
    expect(states(folders)).toEqual([
      [0, 'up'],
      [1, 'foreign'],
      [2, 'up'],
    ]);
  });

  it('a folder that moved keeps its number, and one that is not given is gone', () => {
    openRoster(meta, folders);
    const moved = join(root, 'elsewhere');
    renameSync(folders[2] ?? '', moved);
    expect(states([folders[0] ?? '', folders[1] ?? '', moved])).toEqual(allUp);
    expect(states([folders[0] ?? '', moved])).toEqual([
      [0, 'up'],
      [1, 'gone'],
      [2, 'up'],
    ]);
  });

  it('adds datanodes, and refuses those of another store', () => {
    openRoster(meta, folders);
    const more = join(root, 'datanode-3');
    expect(states([...folders, more])).toEqual([...allUp, [3, 'up']]);
    const otherMeta = join(root, 'other-meta');
    mkdirSync(otherMeta);
    expect(() => openRoster(otherMeta, folders)).toThrow(/another store/);
  });

  it('a damaged roster stops the start instead of making a new store', () => {
    openRoster(meta, folders);
    writeFileSync(join(meta, 'roster.json'), '{"version":1');
    expect(() => openRoster(meta, folders)).toThrow(/damaged/);
  });

  it('a crash anywhere in the first start is made up for by the next', () => {
    const first = openRoster(meta, folders);
    const path = join(meta, 'roster.json');
    const roster = JSON.parse(readFileSync(path, 'utf8')) as { datanodes: object[] };
    // As it stands after the first of its two writings, with one of three folders marked.
    const datanodes = roster.datanodes.map((one) => ({ ...one, pending: true }));
    writeFileSync(path, JSON.stringify({ ...roster, datanodes }));
    rmSync(join(folders[1] ?? '', 'id.json'));
    rmSync(folders[2] ?? '', { recursive: true });
    expect(openRoster(meta, folders)).toEqual(first);
    expect(readFileSync(path, 'utf8')).not.toContain('pending');
    rmSync(folders[2] ?? '', { recursive: true });
    expect(openRoster(meta, folders).map(({ state }) => state)).toEqual(['up', 'up', 'gone']);
  });

  it('a damaged id file makes its folder foreign, and keeps nobody from starting', () => {
    openRoster(meta, folders);
    writeFileSync(join(folders[0] ?? '', 'id.json'), '{"version":');
    expect(openRoster(meta, folders).map(({ state }) => state)).toEqual(['foreign', 'up', 'up']);
    const otherMeta = join(root, 'other-meta');
    mkdirSync(otherMeta);
    expect(() => openRoster(otherMeta, folders)).toThrow(/damaged/);
  });

  it('refuses the copy of a datanode beside the datanode', () => {
    openRoster(meta, folders);
    const copy = join(root, 'copy');
    cpSync(folders[0] ?? '', copy, { recursive: true });
    expect(() => openRoster(meta, [...folders, copy])).toThrow(/copy of datanode 0/);
  });
});
