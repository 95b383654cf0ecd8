/** Buckets as websites: index and error documents, redirects, rules, and who may see them. */
import {
  CreateBucketCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  type S3Client,
  type WebsiteConfiguration,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import { headerOf, RawConnection, type RawResponse } from '../support/raw-client.ts';
import { openSluice, type SluiceInside } from '../support/server.ts';

const Bucket = 'site';
let sluice: SluiceInside;
let client: S3Client;

async function visit(
  path: string,
  options: { method?: string; host?: string; headers?: string; port?: number } = {},
): Promise<RawResponse> {
  const { method = 'GET', host = `${Bucket}.s3-website.example.com`, headers = '' } = options;
  const connection = await RawConnection.open(options.port ?? sluice.port);
  try {
    const text = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`;
    return await connection.request(method, text);
  } finally {
    connection.destroy();
  }
}

async function configure(configuration: WebsiteConfiguration): Promise<void> {
  const WebsiteConfiguration = configuration;
  await client.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
}

const plain: WebsiteConfiguration = {
  IndexDocument: { Suffix: 'index.html' },
  ErrorDocument: { Key: 'sorry.html' },
};

beforeAll(async () => {
  // Nobody is somebody here: policies that open a bucket to everybody are tested by themselves.
  sluice = await openSluice({
    insecure: 'true',
    domain: ['example.com'],
    'website-domain': ['pages.test'],
  });
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new CreateBucketCommand({ Bucket: 'no-site' }));
  for (const Key of ['index.html', 'docs/index.html', 'sorry.html', 'a.html', 'x y/ü.html']) {
    await client.send(
      new PutObjectCommand({ Bucket, Key, Body: `at ${Key}`, ContentType: 'text/html' }),
    );
  }
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'moved', Body: '', WebsiteRedirectLocation: '/a.html' }),
  );
  await configure(plain);
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const seen = (response: RawResponse): [number, string] => [
  response.status,
  response.body.toString(),
];

describe('a website', () => {
  it.each([
    ['/', 'at index.html'],
    ['/docs/', 'at docs/index.html'],
    ['/a.html', 'at a.html'],
    ['/x%20y/%C3%BC.html', 'at x y/ü.html'],
    ['/a.html?policy', 'at a.html'],
  ])('has %s', async (path, body) => {
    const response = await visit(path);
    expect(seen(response)).toEqual([200, body]);
    expect(headerOf(response, 'content-type')).toBe('text/html');
  });

  it('is found below its own domain too, and by HEAD', async () => {
    expect(seen(await visit('/', { host: `${Bucket}.pages.test` }))).toEqual([
      200,
      'at index.html',
    ]);
    const head = await visit('/', { method: 'HEAD' });
    expect([head.status, headerOf(head, 'content-length')]).toEqual([200, '13']);
  });

  it('reads parts and answers conditions', async () => {
    const part = await visit('/a.html', { headers: 'Range: bytes=3-5\r\n' });
    expect(seen(part)).toEqual([206, 'a.h']);
    const etag = headerOf(part, 'etag') ?? '';
    expect((await visit('/a.html', { headers: `If-None-Match: ${etag}\r\n` })).status).toBe(304);
  });

  it('leads to folders and to where a page moved', async () => {
    const folder = await visit('/docs');
    expect([folder.status, headerOf(folder, 'location')]).toEqual([302, '/docs/']);
    const moved = await visit('/moved');
    expect([moved.status, headerOf(moved, 'location')]).toEqual([301, '/a.html']);
  });

  it('has its own page for what is missing', async () => {
    const missing = await visit('/none');
    expect(seen(missing)).toEqual([404, 'at sorry.html']);
    expect(headerOf(missing, 'x-amz-error-code')).toBe('NoSuchKey');
    await configure({ IndexDocument: { Suffix: 'index.html' } });
    const bare = await visit('/no<ne');
    expect(bare.status).toBe(404);
    expect(bare.body.toString()).toContain('<li>Code: NoSuchKey</li>');
    expect(bare.body.toString()).toContain('<li>Key: no&lt;ne</li>');
    await configure(plain);
  });

  it('takes nothing', async () => {
    for (const method of ['PUT', 'DELETE', 'POST']) {
      const response = await visit('/a.html', { method, headers: 'Content-Length: 0\r\n' });
      expect([method, response.status]).toEqual([method, 405]);
    }
    expect(seen(await visit('/a.html'))).toEqual([200, 'at a.html']);
  });

  it.each([
    ['no-site', 'NoSuchWebsiteConfiguration'],
    ['nowhere', 'NoSuchBucket'],
  ])('is not %s', async (bucket, code) => {
    const response = await visit('/', { host: `${bucket}.s3-website.example.com` });
    expect([response.status, headerOf(response, 'x-amz-error-code')]).toEqual([404, code]);
  });
});

describe('rules', () => {
  const lead = async (path: string): Promise<[number, string?]> => {
    const response = await visit(path);
    const location = headerOf(response, 'location');
    return location === undefined ? [response.status] : [response.status, location];
  };
  const home = `http://${Bucket}.s3-website.example.com`;

  it('send paths and failures elsewhere', async () => {
    await configure({
      ...plain,
      RoutingRules: [
        { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'new dir/' } },
        {
          Condition: { KeyPrefixEquals: 'images/' },
          Redirect: { ReplaceKeyWith: 'a.html', HttpRedirectCode: '302' },
        },
        {
          Condition: { HttpErrorCodeReturnedEquals: '404', KeyPrefixEquals: 'try/' },
          Redirect: { HostName: 'other.example', Protocol: 'https' },
        },
      ],
    });
    expect(await lead('/old/x')).toEqual([301, `${home}/new%20dir/x`]);
    expect(await lead('/images/1.png')).toEqual([302, `${home}/a.html`]);
    expect(await lead('/try/x')).toEqual([301, 'https://other.example/try/x']);
    expect(await lead('/none')).toEqual([404]);
    expect(await lead('/a.html')).toEqual([200]);
  });

  it('may send everything', async () => {
    await configure({ RedirectAllRequestsTo: { HostName: 'other.example' } });
    expect(await lead('/any/thing')).toEqual([301, 'http://other.example/any/thing']);
    await configure(plain);
  });
});

it('shows nothing that nobody may see', async () => {
  const closed = await openSluice({ domain: ['example.com'] });
  const owner = s3Client(closed);
  try {
    await owner.send(new CreateBucketCommand({ Bucket }));
    await owner.send(new PutObjectCommand({ Bucket, Key: 'index.html', Body: 'secret' }));
    await owner.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration: plain }));
    for (const path of ['/', '/none']) {
      const response = await visit(path, { port: closed.port });
      expect([response.status, headerOf(response, 'x-amz-error-code')]).toEqual([
        403,
        'AccessDenied',
      ]);
      expect(response.body.toString()).not.toContain('secret');
    }
  } finally {
    owner.destroy();
    await closed.close();
  }
});
