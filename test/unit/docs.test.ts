/**
 * The reference pages are generated from the tables that the server obeys: `vitest -u` writes them
 * again. Pages for people must name only settings, errors and commands that exist.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { S3_ERRORS } from '../../src/base/s3-error.ts';
import { environmentName, type Row, SETTING_NAMES, SETTINGS } from '../../src/config-table.ts';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function settingsPage(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { argument, fallback, fallbackText, help, secret } = SETTINGS[name] as Row;
    const flag = secret ? 'environment only' : `\`--${name}${argument ? ` ${argument}` : ''}\``;
    const value = cell(fallbackText ?? String(fallback));
    return `| ${flag} | \`${environmentName(name)}\` | ${cell(help)} | ${value} |`;
  });
  return [
    '# Settings\n',
    'Generated from `src/config-table.ts`. A flag goes before the environment, the environment before the',
    'file of `--config`, the file before the default. Repeatable settings are separated by commas in the',
    'environment and are lists in the file.\n',
    '| flag | environment | what it sets | default |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function errorsPage(): string {
  const rows = Object.entries(S3_ERRORS).map(
    ([code, [status, message]]) => `| \`${code}\` | ${status} | ${cell(message)} |`,
  );
  return [
    '# Error codes\n',
    'Generated from `src/base/s3-error.ts`: every code that an answer can carry. Many answers say more than',
    'the usual message.\n',
    '| code | status | usual message |',
    '|---|---|---|',
    ...rows.toSorted(),
    '',
  ].join('\n');
}

describe('the references', () => {
  it.each([
    ['settings.md', settingsPage],
    ['errors.md', errorsPage],
  ])('%s is what the tables say', async (name, page) => {
    await expect(page()).toMatchFileSnapshot(`${DOCS}${name}`);
  });
});

describe('a page', () => {
  const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => [name, readFileSync(`${DOCS}${name}`, 'utf8')] as const);
  const settings = new Set<string>(SETTING_NAMES);

  it.each(pages)('%s names only settings of the server that there are', (_, text) => {
    for (const [, words = ''] of text.matchAll(/^(?:npm start --|(?:npx )?sluice serve)(.*)$/gm)) {
      for (const [, name = ''] of words.matchAll(/--([a-z][a-z0-9-]*)/g)) {
        expect(settings.has(name), `--${name}`).toBe(true);
      }
    }
  });

  it.each(pages)('%s links only to pages that there are', (name, text) => {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const from = new URL(name, `file://${DOCS}`);
      expect(() => readFileSync(new URL(target, from)), `${name} to ${target}`).not.toThrow();
    }
  });
});
