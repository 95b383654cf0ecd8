/** Runs real command-line clients in tests, and says which are missing. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ToolServer {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** False when the tool is absent; in CI that is a failure, not a skip. */
export function hasTool(name: string, ...versionArguments: readonly string[]): boolean {
  try {
    execFileSync(name, versionArguments.length > 0 ? [...versionArguments] : ['--version'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    if (process.env['SLUICE_CI'] !== undefined) throw new Error(`${name} must be installed in CI`);
    process.stderr.write(`skipped: ${name} is not installed\n`);
    return false;
  }
}

/** Standard output. Rejects with both outputs when the tool fails. */
export function run(
  command: string,
  commandArguments: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      commandArguments,
      {
        env: { ...process.env, AWS_CA_BUNDLE: undefined, ...environment },
        maxBuffer: 64 * 1024 * 1024,
        timeout: 240_000,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${command} ${commandArguments.join(' ')}: ${stderr}\n${stdout}`));
      },
    );
  });
}

export function awsEnvironment(server: ToolServer): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: server.endpoint,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
  };
}

export function rcloneEnvironment(server: ToolServer): Record<string, string> {
  return {
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_SLUICE_TYPE: 's3',
    RCLONE_CONFIG_SLUICE_PROVIDER: 'Other',
    RCLONE_CONFIG_SLUICE_ENDPOINT: server.endpoint,
    RCLONE_CONFIG_SLUICE_ACCESS_KEY_ID: server.accessKey,
    RCLONE_CONFIG_SLUICE_SECRET_ACCESS_KEY: server.secretKey,
    RCLONE_CONFIG_SLUICE_REGION: 'us-east-1',
  };
}

/** Path of a configuration file for s3cmd. */
export function s3cmdConfig(server: ToolServer): string {
  const host = server.endpoint.replace('http://', '');
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-s3cmd-')), 's3cfg');
  writeFileSync(
    file,
    [
      '[default]',
      `access_key = ${server.accessKey}`,
      `secret_key = ${server.secretKey}`,
      `host_base = ${host}`,
      `host_bucket = ${host}`,
      'use_https = False',
      'signature_v2 = False',
      'multipart_chunk_size_mb = 16',
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  return file;
}
