/**
 * What a start says to the person who started it: where, on what, how safe; and on the very first
 * start the root key with lines to paste. Short, plain text, for standard output only: the log
 * never sees a secret.
 */
import type { Credentials } from './admin/credentials.ts';
import { columnsOf, type Replication } from './chunks/chunk-store.ts';
import type { Settings } from './config.ts';

export function endpointUrl(host: string, port: number, tls = false): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Where a program on this machine reaches a server that listens everywhere. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

export function bannerText(settings: Settings, port: number, credentials: Credentials): string {
  const endpoint = endpointUrl(reachableHost(settings.host), port, settings.tls !== undefined);
  const lines = [
    `Sluice serves S3 at ${endpoint}${everywhere(settings.host)}`,
    `  data        ${settings.dataDirectories.join(', ')}`,
    `  storage     ${count(settings.datanodeDirectories.length, 'datanode')}, ` +
      `${settings.replication}: ${lossText(settings.replication)}`,
    `  durability  ${durabilityText(settings.durability)}`,
    `  security    ${securityText(settings.insecure)}`,
    `  root key    ${credentials.file ?? 'from the settings'}`,
  ];
  if (credentials.generated) lines.push('', ...firstStart(settings, endpoint, credentials));
  return `${lines.join('\n')}\n`;
}

function everywhere(host: string): string {
  return host === '0.0.0.0' || host === '::' ? ' (and on every other address of this machine)' : '';
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function lossText(replication: Replication): string {
  const { parity } = columnsOf(replication);
  return parity === 0 ? 'one copy, nothing may be lost' : `any ${parity} may be lost`;
}

function durabilityText(durability: Settings['durability']): string {
  return durability === 'durable'
    ? 'durable: 200 OK means on stable storage'
    : 'RELAXED: 200 OK means handed to the operating system; a power cut loses recent writes';
}

function securityText(insecure: boolean): string {
  return insecure
    ? 'OFF (--insecure): any key and any signature is accepted'
    : 'on: every request must be signed';
}

function firstStart(settings: Settings, endpoint: string, credentials: Credentials): string[] {
  const { accessKey, secretKey } = credentials.rootKey;
  const region = settings.region;
  return [
    `First start: this root key was made for you and is kept in the file above.`,
    `  export AWS_ACCESS_KEY_ID=${accessKey}`,
    `  export AWS_SECRET_ACCESS_KEY=${secretKey}`,
    ...(region === undefined ? [] : [`  export AWS_DEFAULT_REGION=${region}`]),
    `  aws --endpoint-url ${endpoint} s3 mb s3://first-bucket`,
  ];
}
