/** Signature version 2 through the front door, where it is switched on: headers, queries, forms. */
import { createHmac } from 'node:crypto';
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { formBody, post, signedV2 } from '../support/post-form.ts';
import { codeOf, RawConnection, type RawResponse } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';

const Bucket = 'old';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice({ sigv2: 'true' });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

function sign(text: string): string {
  return createHmac('sha1', sluice.secretKey).update(text).digest('base64');
}

async function ask(method: string, target: string, headers: readonly string[], body = '') {
  const lines = [`${method} ${target} HTTP/1.1`, 'host: localhost', ...headers];
  if (body !== '') lines.push(`content-length: ${body.length}`);
  const connection = await RawConnection.open(sluice.port);
  try {
    return await connection.request(method, `${lines.join('\r\n')}\r\n\r\n${body}`);
  } finally {
    connection.destroy();
  }
}

function byHeader(method: string, target: string, body = ''): Promise<RawResponse> {
  const date = new Date().toUTCString();
  const signature = sign(`${method}\n\n\n${date}\n${target}`);
  const headers = [`date: ${date}`, `authorization: AWS ${sluice.accessKey}:${signature}`];
  return ask(method, target, headers, body);
}

describe('signature version 2', () => {
  it('puts, lists, gets by query, and deletes', async () => {
    expect((await byHeader('PUT', `/${Bucket}/k%20ey`, 'hello')).status).toBe(200);
    expect((await byHeader('GET', `/${Bucket}?uploads`)).status).toBe(200);
    const expires = Math.floor(Date.now() / 1000) + 60;
    const signature = encodeURIComponent(sign(`GET\n\n\n${expires}\n/${Bucket}/k%20ey`));
    const query = `AWSAccessKeyId=${sluice.accessKey}&Expires=${expires}&Signature=${signature}`;
    const got = await ask('GET', `/${Bucket}/k%20ey?${query}`, []);
    expect([got.status, got.body.toString()]).toEqual([200, 'hello']);
    const other = await ask('GET', `/${Bucket}/other?${query}`, []);
    expect([other.status, codeOf(other)]).toEqual([403, 'SignatureDoesNotMatch']);
    expect((await byHeader('DELETE', `/${Bucket}/k%20ey`)).status).toBe(204);
  });

  it('posts a form', async () => {
    const conditions = [{ bucket: Bucket }, ['starts-with', '$key', 'f']];
    const signed = signedV2(sluice, { conditions });
    const good = formBody([['key', 'form'], ...signed], { content: 'x' });
    expect((await post(sluice, `/${Bucket}`, good)).status).toBe(204);
    const wrong = signed.map(
      ([name, value]) => [name, name === 'signature' ? `x${value}` : value] as const,
    );
    const bad = await post(
      sluice,
      `/${Bucket}`,
      formBody([['key', 'form'], ...wrong], { content: 'x' }),
    );
    expect([bad.status, codeOf(bad)]).toEqual([403, 'SignatureDoesNotMatch']);
    const without = signed.filter(([name]) => name !== 'signature');
    const none = await post(
      sluice,
      `/${Bucket}`,
      formBody([['key', 'form'], ...without], { content: 'x' }),
    );
    expect([none.status, codeOf(none)]).toEqual([400, 'InvalidArgument']);
  });
});
