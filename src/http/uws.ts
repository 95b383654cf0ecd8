/**
 * Loads uWebSockets with its settings: they are read from the environment when the native addon
 * loads, so this module sets them first. The package throws when its binary does not fit the
 * platform; it has no slow fallback that could be used by accident.
 */
import { LIMITS } from '../base/limits.ts';

process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(LIMITS.headerBytes);

const uws = await import('uWebSockets.js');

export type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';

/** CommonJS interop: the addon's functions stand on the default export. */
export const { App, us_listen_socket_close, us_socket_local_port, LIBUS_LISTEN_EXCLUSIVE_PORT } = (
  uws as unknown as { default: typeof import('uWebSockets.js') & { LIBUS_LISTEN_EXCLUSIVE_PORT: 1 } }
).default;
