/**
 * Loads uWebSockets with its settings. They are read from the environment when the native addon
 * loads, so this module sets them first. It refuses to go on with anything but the native addon:
 * some repackagings fall back to a slow imitation in JavaScript without a word.
 */
import { LIMITS } from '../base/limits.ts';
import { assert } from '../base/assert.ts';
import type * as Uws from 'uWebSockets.js';

export type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';

interface Addon extends Omit<typeof Uws, 'LIBUS_LISTEN_EXCLUSIVE_PORT'> {
  /** Declared nowhere, but there. */
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: Uws.ListenOptions.LIBUS_LISTEN_EXCLUSIVE_PORT;
  _cfg(key: string): void;
}

/**
 * The addon's undocumented switch (any key with this character sum) that keeps a header with its
 * name and version out of every response.
 */
const SILENT = '999999990007';

process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(LIMITS.headerBytes);
// CommonJS: the functions stand on the default export.
const loaded = (await import('uWebSockets.js')) as unknown as { readonly default: Addon };
export const uws: Addon = loaded.default;
assert(
  Function.prototype.toString.call(uws.App).includes('[native code]'),
  'uWebSockets is the native addon',
);
uws._cfg(SILENT);
