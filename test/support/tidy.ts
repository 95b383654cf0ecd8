/**
 * The rules of the tree as pure functions from one file to findings. They read text, not syntax
 * trees: sources here are formatted by a tool, so imports stand where a pattern finds them.
 */
import { posix } from 'node:path';
import { FENCES, OPEN_FILES, ROOMS } from './rooms.ts';

export interface SourceFile {
  /** From the root of the tree, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

export type Rule = (file: SourceFile) => readonly string[];

const LINES_MAX = 400;
const TEST_LINES_MAX = 800;
const COLUMNS_MAX = 100;

const FROM = /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

export function importsOf(text: string): readonly Import[] {
  const lineAt = (index: number): number => text.slice(0, index).split('\n').length;
  const found: Import[] = [];
  for (const match of text.matchAll(FROM)) {
    const line = lineAt((match.index ?? 0) + match[0].length);
    found.push({ target: match[2] ?? '', typeOnly: match[1] !== undefined, line });
  }
  for (const match of text.matchAll(DYNAMIC)) {
    // `type T = import('x').Y` and `await import('x')` look alike: both count as values.
    found.push({ target: match[1] ?? '', typeOnly: false, line: lineAt(match.index ?? 0) });
  }
  return found;
}

/** Path from the root that a relative import names; undefined for packages. */
function resolved(file: SourceFile, target: string): string | undefined {
  return target.startsWith('.') ? posix.join(posix.dirname(file.path), target) : undefined;
}

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

export const layers: Rule = (file) => {
  const from = roomOf(file.path);
  if (from === undefined) return [];
  const room = ROOMS[from];
  if (room === undefined) return [`${file.path}: ${from}/ is not on the map of the rooms`];
  const findings: string[] = [];
  for (const { target, typeOnly, line } of importsOf(file.text)) {
    const path = resolved(file, target);
    const to = path === undefined ? undefined : roomOf(path);
    if (path === undefined || to === from) continue;
    const where = `${file.path}:${line}`;
    const types = room.types?.includes(to ?? '') === true;
    if (to === undefined || !(room.uses.includes(to) || types)) {
      findings.push(`${where}: ${from}/ may not import ${path}`);
    } else if (types && !typeOnly) {
      findings.push(`${where}: ${from}/ may import only types from ${to}/`);
    } else if (OPEN_FILES[from]?.[to]?.includes(posix.basename(path)) === false) {
      findings.push(`${where}: ${from}/ may not know ${path}`);
    }
  }
  return findings;
};

export const fences: Rule = (file) => {
  if (!/^(src|workers)\/.*\.ts$/.test(file.path)) return [];
  return importsOf(file.text).flatMap(({ target, line }) => {
    const allowed = FENCES[target];
    if (allowed === undefined || allowed.some((prefix) => file.path.startsWith(prefix))) return [];
    return [`${file.path}:${line}: ${target} is fenced into ${allowed.join(', ')}`];
  });
};

export const header: Rule = (file) => {
  if (file.path.endsWith('.test.ts') || file.path === 'vitest.config.ts') return [];
  const comment = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(file.text)?.[1];
  if (comment === undefined) return [`${file.path}: opens without saying what it owns`];
  return comment.replaceAll(/[\s*]+/g, ' ').length < 30 ? [`${file.path}: says too little`] : [];
};

export const length: Rule = (file) => {
  if (file.path.endsWith('.wasm.ts')) return [];
  const max = file.path.startsWith('test/') ? TEST_LINES_MAX : LINES_MAX;
  const lines = file.text.split('\n').length - 1;
  return lines > max ? [`${file.path}: ${lines} lines, more than ${max}`] : [];
};

/** Texts and patterns that cannot be broken may be longer; code and prose may not. */
export const columns: Rule = (file) => {
  if (file.path.endsWith('.wasm.ts')) return [];
  return file.text.split('\n').flatMap((line, index) => {
    if (line.length <= COLUMNS_MAX) return [];
    const unbreakable = /(['"`]).{40,}\1|\/.{40,}\/[a-z]*|https?:\/\/\S{30,}/.test(line);
    return unbreakable ? [] : [`${file.path}:${index + 1}: ${line.length} columns`];
  });
};

// Put together from halves, because this file is held to the rule as well.
const UNFINISHED = new RegExp(`\\b(${['FIX' + 'ME', 'TO' + 'DO', 'X'.repeat(3)].join('|')})\\b`);

export const unfinished: Rule = (file) =>
  file.text.split('\n').flatMap((line, index) => {
    const word = UNFINISHED.exec(line)?.[0];
    return word === undefined ? [] : [`${file.path}:${index + 1}: ${word} left behind`];
  });

const VAGUE = /^(index|utils?|helpers?|common|misc|manager)\.ts$/;
const KEBAB =
  /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|contract|worker|wasm|bench|setup|config|d))?\.(ts|mjs)$/;

export const names: Rule = (file) => {
  const name = posix.basename(file.path);
  if (VAGUE.test(name)) return [`${file.path}: the name says nothing`];
  return KEBAB.test(name) ? [] : [`${file.path}: not kebab-case`];
};

export const RULES: Readonly<Record<string, Rule>> = {
  layers,
  fences,
  header,
  length,
  columns,
  unfinished,
  names,
};

/** Files of `src/` and `workers/` that no entry point reaches. */
export function orphans(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const open = [...entries];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const { target } of importsOf(file.text)) {
      const next = resolved(file, target);
      if (next !== undefined) open.push(next);
    }
  }
  return files.map((file) => file.path).filter((path) => !reached.has(path));
}
