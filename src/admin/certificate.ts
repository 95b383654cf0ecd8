/**
 * The server's certificate and key: two PEM files, read at the start and again whenever they
 * change or SIGHUP comes, so that a renewed certificate is served without an end of the server.
 * What cannot be used at a reload is logged, and the old pair stays.
 */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Log } from '../base/log.ts';

export interface CertificateFiles {
  /** The chain, the server's own certificate first. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** Renewals replace the files; no one waits for a minute. */
const WATCH_MS = 1000;

/** Throws an Error of one line when a file cannot be read, or the two do not belong together. */
export function readCertificate({ certFile, keyFile }: CertificateFiles): CertificatePair {
  const pair = { cert: readPem(certFile), key: readPem(keyFile) };
  try {
    createSecureContext(pair);
  } catch (error) {
    // OpenSSL's words name no secret, but its codes help nobody either.
    throw new Error(`${certFile} and ${keyFile} are no certificate with its key`, { cause: error });
  }
  return pair;
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code})`, { cause: error });
  }
}

/** Calls `changed` with every new pair until the answer is called. */
export function watchCertificate(
  files: CertificateFiles,
  log: Log,
  changed: (pair: CertificatePair) => void,
): () => void {
  const { certFile, keyFile } = files;
  let last = JSON.stringify(readCertificate(files));
  const reload = (): void => {
    try {
      const pair = readCertificate(files);
      // The other of the two files may be about to follow: then this was half a renewal.
      if (JSON.stringify(pair) === last) return;
      last = JSON.stringify(pair);
      changed(pair);
      log.info({ certFile }, 'serving a new certificate');
    } catch (error) {
      log.error({ err: error }, 'the certificate could not be renewed: the old one is kept');
    }
  };
  for (const file of [certFile, keyFile]) {
    watchFile(file, { interval: WATCH_MS, persistent: false }, reload);
  }
  process.on('SIGHUP', reload);
  return () => {
    process.off('SIGHUP', reload);
    for (const file of [certFile, keyFile]) unwatchFile(file, reload);
  };
}
