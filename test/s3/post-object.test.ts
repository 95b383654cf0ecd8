/** Browser forms through the front door: what a policy allows, and all that it does not. */
import { createHash, randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Client } from '../support/client.ts';
import {
  BOUNDARY,
  type FormFields,
  type PolicyOptions,
  formBody,
  post,
  signedV2,
  signedV4,
} from '../support/post-form.ts';
import { codeOf, headerOf, type RawResponse } from '../support/raw-client.ts';
import { type SluiceInside, openSluice } from '../support/server.ts';

const Bucket = 'forms';
let sluice: SluiceInside;
let client: S3Client;

beforeAll(async () => {
  sluice = await openSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.idle();
  await sluice.close();
});

const HERE = { bucket: Bucket };
const ANY_KEY = ['starts-with', '$key', ''];

function messageOf(response: RawResponse): string | undefined {
  return /<Message>([^<]*)<\/Message>/
    .exec(response.body.toString())?.[1]
    ?.replaceAll('&quot;', '"');
}

interface Form {
  readonly fields: FormFields;
  readonly conditions?: PolicyOptions['conditions'];
  readonly policy?: Partial<PolicyOptions>;
  readonly content?: Uint8Array | string;
  readonly filename?: string;
}

function send({ fields, conditions, policy, content = 'hello', filename }: Form) {
  const signed = signedV4(sluice, { conditions: conditions ?? [HERE, ANY_KEY], ...policy });
  const file = { content, ...(filename === undefined ? {} : { filename }) };
  return post(sluice, `/${Bucket}`, formBody([...fields, ...signed], file));
}

async function read(Key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

describe('a form signed by SigV4', () => {
  it('makes an object with what its fields say', async () => {
    const fields: FormFields = [
      ['key', 'user/${filename}'],
      ['Content-Type', 'text/plain'],
      ['Cache-Control', 'no-store'],
      ['X-Amz-Meta-Colour', 'blue'],
      ['x-amz-storage-class', 'STANDARD_IA'],
      ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>'],
      ['x-ignore-me', 'whatever'],
    ];
    const conditions = [
      HERE,
      ['StArTs-WiTh', '$KEY', 'user/'],
      ['eq', '$Content-Type', 'text/plain'],
      ['starts-with', '$Cache-Control', ''],
      ['starts-with', '$x-amz-meta-colour', 'b'],
      { 'x-amz-storage-class': 'STANDARD_IA' },
      ['starts-with', '$tagging', ''],
      ['content-length-range', 1, '10'],
    ];
    const answer = await send({ fields, conditions, filename: 'C:\\dir\\my file.txt' });
    expect(answer.body.toString()).toBe('');
    expect(answer.status).toBe(204);
    const etag = `"${createHash('md5').update('hello').digest('hex')}"`;
    expect(headerOf(answer, 'etag')).toBe(etag);
    expect(headerOf(answer, 'location')).toBe(`${sluice.endpoint}/${Bucket}/user/my%20file.txt`);
    const Key = 'user/my file.txt';
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
    expect(head).toMatchObject({
      ETag: etag,
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      Metadata: { colour: 'blue' },
      StorageClass: 'STANDARD_IA',
    });
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket, Key }));
    expect(TagSet).toEqual([{ Key: 'a', Value: '1' }]);
    expect((await read(Key)).toString()).toBe('hello');
  });

  it.each([0, 1, 16_380, 16_384, 20_000, 262_144, 524_288, 540_000, 3_000_001])(
    'stores %i bytes as they are, however they come',
    async (length) => {
      const content = randomBytes(length);
      // What looks like the delimiter, but is not.
      content.write(
        `\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r`.slice(0, length),
        length >> 1,
        'latin1',
      );
      const signed = signedV4(sluice, { conditions: [HERE, ANY_KEY] });
      const body = formBody([['key', `size-${length}`], ...signed], { content });
      const end = body.length;
      const answer = await post(sluice, `/${Bucket}`, body, {
        pieces: [50, 300, end - length - 40, end - 60, end - 30, end - 3]
          .filter((at) => at > 0)
          .toSorted((a, b) => a - b),
      });
      expect([answer.status, codeOf(answer)]).toEqual([204, undefined]);
      const stored = await read(`size-${length}`);
      expect(stored.equals(content)).toBe(true);
      expect(headerOf(answer, 'etag')).toBe(`"${createHash('md5').update(content).digest('hex')}"`);
    },
  );

  it('ignores what follows the file, and needs no line end at the end', async () => {
    const signed = signedV4(sluice, { conditions: [HERE, ANY_KEY] });
    for (const after of [
      `\r\n--${BOUNDARY}--`,
      `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="submit"\r\n\r\nUpload\r\n--${BOUNDARY}--\r\n`,
    ]) {
      const body = formBody([['key', 'after'], ...signed], { content: 'tail' }, after);
      expect((await post(sluice, `/${Bucket}`, body)).status).toBe(204);
      expect((await read('after')).toString()).toBe('tail');
    }
  });

  it('is answered as it asks', async () => {
    const ask = (fields: FormFields) =>
      send({
        fields: [['key', 'a&b'], ...fields],
        conditions: [HERE, ANY_KEY, ...fields.map(([name]) => ['starts-with', `$${name}`, ''])],
      });
    expect((await ask([['success_action_status', '200']])).status).toBe(200);
    expect((await ask([['success_action_status', '404']])).status).toBe(204);
    const created = await ask([['success_action_status', '201']]);
    expect(created.status).toBe(201);
    const etag = '&quot;5d41402abc4b2a76b9719d911017c592&quot;';
    expect(created.body.toString()).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>' +
        `<Location>${sluice.endpoint}/${Bucket}/a%26b</Location><Bucket>${Bucket}</Bucket>` +
        `<Key>a&amp;b</Key><ETag>${etag}</ETag></PostResponse>`,
    );
    for (const name of ['success_action_redirect', 'redirect']) {
      const moved = await ask([[name, 'http://example.com/done?x=1']]);
      expect(moved.status).toBe(303);
      expect(headerOf(moved, 'location')).toBe(
        `http://example.com/done?x=1&bucket=${Bucket}&key=a%26b` +
          '&etag=%225d41402abc4b2a76b9719d911017c592%22',
      );
    }
    expect((await ask([['success_action_redirect', 'javascript:alert(1)']])).status).toBe(204);
    expect((await ask([['success_action_redirect', 'nowhere']])).status).toBe(204);
  });

  it('is held to its checksum', async () => {
    const sha256 = createHash('sha256').update('hello').digest('base64');
    const ask = (content: string) =>
      send({
        fields: [
          ['key', 'summed'],
          ['x-amz-checksum-sha256', sha256],
        ],
        conditions: [HERE, ANY_KEY, { 'x-amz-checksum-sha256': sha256 }],
        content,
      });
    expect(codeOf(await ask('hellO'))).toBe('BadDigest');
    const good = await ask('hello');
    expect([good.status, headerOf(good, 'x-amz-checksum-sha256')]).toEqual([204, sha256]);
  });
});

describe('a policy', () => {
  const key: FormFields = [['key', 'policy/k']];
  it.each([
    ['without the bucket', [ANY_KEY], [], 'Extra input fields: bucket'],
    [
      'for another bucket',
      [{ bucket: 'other' }, ANY_KEY],
      [],
      'Policy Condition failed: ["eq", "$bucket", "other"]',
    ],
    [
      'for another prefix',
      [HERE, ['starts-with', '$key', 'x']],
      [],
      'Policy Condition failed: ["starts-with", "$key", "x"]',
    ],
    [
      'that misses a field',
      [HERE, ANY_KEY],
      [['x-amz-meta-a', '1']],
      'Extra input fields: x-amz-meta-a',
    ],
    [
      'for a field that is not there',
      [HERE, ANY_KEY, ['starts-with', '$x-amz-meta-a', 'b']],
      [],
      'Policy Condition failed: ["starts-with", "$x-amz-meta-a", "b"]',
    ],
    [
      'for another value',
      [HERE, ANY_KEY, ['eq', '$x-amz-meta-a', '']],
      [['x-amz-meta-a', '1']],
      'Policy Condition failed: ["eq", "$x-amz-meta-a", ""]',
    ],
    [
      'for other types',
      [HERE, ANY_KEY, ['starts-with', '$Content-Type', 'image/']],
      [['Content-Type', 'image/png,text/html']],
      'Policy Condition failed: ["starts-with", "$content-type", "image/"]',
    ],
  ] as const)('%s is not met', async (_, conditions, fields, reason) => {
    const answer = await send({ fields: [...key, ...fields], conditions });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'AccessDenied']);
    expect(messageOf(answer)).toBe(`Invalid according to Policy: ${reason}`);
  });

  it('that expired is not met', async () => {
    const answer = await send({ fields: key, policy: { expiration: '2020-01-01T00:00:00Z' } });
    expect([answer.status, messageOf(answer)]).toEqual([
      403,
      'Invalid according to Policy: Policy expired.',
    ]);
  });

  it.each([
    ['no JSON', { document: '{' }],
    ['a list', { document: '[]' }],
    ['no expiration', { document: { conditions: [] } }],
    ['EXPIRATION', { document: { EXPIRATION: '2099-01-01T00:00:00Z', conditions: [] } }],
    ['CONDITIONS', { document: { expiration: '2099-01-01T00:00:00Z', CONDITIONS: [] } }],
    ['no date', { expiration: 'Mon Nov 23 2099' }],
    ['no conditions', { document: { expiration: '2099-01-01T00:00:00Z' } }],
    ['an empty condition', { conditions: [HERE, {}] }],
    ['two in one condition', { conditions: [{ bucket: Bucket, key: 'k' }] }],
    ['one size', { conditions: [HERE, ANY_KEY, ['content-length-range', 0]] }],
    ['a negative size', { conditions: [HERE, ANY_KEY, ['content-length-range', -1, 0]] }],
    ['an unknown operation', { conditions: [HERE, ['matches', '$key', 'x']] }],
    ['no dollar', { conditions: [HERE, ['eq', 'key', 'x']] }],
  ])('with %s is refused', async (_, policy) => {
    const answer = await send({ fields: key, ...policy, policy });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'InvalidPolicyDocument']);
  });

  it.each([
    [0, 0, 400, 'EntityTooLarge'],
    [6, 100, 400, 'EntityTooSmall'],
    [0, 4, 400, 'EntityTooLarge'],
    [5, 5, 204, undefined],
  ])('for %i to %i bytes holds for the five sent', async (min, max, status, code) => {
    const conditions = [HERE, ANY_KEY, ['content-length-range', min, max]];
    const answer = await send({ fields: [['key', `range-${min}-${max}`]], conditions });
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    const found = await read(`range-${min}-${max}`).then(
      () => true,
      () => false,
    );
    expect(found).toBe(status === 204);
  });

  it('ends a long file where it is too long', async () => {
    const conditions = [HERE, ANY_KEY, ['content-length-range', 0, 1_000_000]];
    const answer = await send({
      fields: [['key', 'long']],
      conditions,
      content: randomBytes(1_500_000),
    });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'EntityTooLarge']);
  });

  it('may escape what AWS escapes', async () => {
    const soon = new Date(Date.now() + 60_000).toISOString();
    const wide =
      '["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]';
    const document = `{"expiration":"${soon}","conditions":[{"bucket":"${Bucket}"},["starts-with","$key","\\$foo"],${wide}]}`;
    const answer = await send({ fields: [['key', '$foo.txt']], policy: { document } });
    expect([answer.status, messageOf(answer)]).toEqual([204, undefined]);
  });
});

describe('a signature of a form', () => {
  const conditions = [HERE, ANY_KEY];
  const ask = (fields: FormFields) =>
    post(sluice, `/${Bucket}`, formBody([['key', 'signed'], ...fields], { content: 'x' }));
  const without = (fields: FormFields, name: string): FormFields =>
    fields.filter(([one]) => one !== name);
  const changed = (
    fields: FormFields,
    name: string,
    change: (value: string) => string,
  ): FormFields => fields.map(([one, value]) => [one, one === name ? change(value) : value]);

  it.each([
    ['missing', (f: FormFields) => without(f, 'x-amz-signature'), 400, 'InvalidArgument'],
    ['without a date', (f: FormFields) => without(f, 'x-amz-date'), 400, 'InvalidArgument'],
    ['without a policy', (f: FormFields) => without(f, 'policy'), 400, 'InvalidArgument'],
    [
      'of a changed policy',
      (f: FormFields) => changed(f, 'policy', (p) => `${p.slice(0, -4)}IH0=`),
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'that is another',
      (f: FormFields) =>
        changed(f, 'x-amz-signature', (s) => s.replace(/^./, (c) => (c === '0' ? '1' : '0'))),
      403,
      'SignatureDoesNotMatch',
    ],
    [
      'of nobody',
      (f: FormFields) => changed(f, 'x-amz-credential', (c) => `X${c}`),
      403,
      'InvalidAccessKeyId',
    ],
    [
      'of another algorithm',
      (f: FormFields) => changed(f, 'x-amz-algorithm', () => 'AWS4-HMAC-SHA1'),
      400,
      'InvalidArgument',
    ],
    [
      'for another service',
      (f: FormFields) => changed(f, 'x-amz-credential', (c) => c.replace('/s3/', '/ec2/')),
      400,
      'AuthorizationQueryParametersError',
    ],
    [
      'with a token',
      (f: FormFields) => [...f, ['x-amz-security-token', 't']] as FormFields,
      400,
      'InvalidToken',
    ],
  ] as const)('%s is refused', async (_, change, status, code) => {
    const answer = await ask(change(signedV4(sluice, { conditions })));
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });

  it('older than a week is refused', async () => {
    const answer = await ask(signedV4(sluice, { conditions }, Date.now() - 8 * 86_400_000));
    expect([answer.status, codeOf(answer)]).toEqual([403, 'AccessDenied']);
  });

  it('of version 2 is refused where that is not switched on', async () => {
    const answer = await ask(signedV2(sluice, { conditions }));
    expect([answer.status, codeOf(answer)]).toEqual([400, 'InvalidRequest']);
    expect(messageOf(answer)).toContain('Please use AWS4-HMAC-SHA256.');
  });

  it('is what nobody can do without', async () => {
    const answer = await ask([]);
    expect([answer.status, codeOf(answer)]).toEqual([403, 'AccessDenied']);
  });

  it('in a header does not help', async () => {
    const signed = signedV4(sluice, { conditions });
    const answer = await post(
      sluice,
      `/${Bucket}`,
      formBody([['key', 'signed'], ...signed], { content: 'x' }),
      { headers: ['authorization: AWS4-HMAC-SHA256 Credential=x'] },
    );
    expect(codeOf(answer)).toBe('InvalidArgument');
  });
});

describe('a form that is none', () => {
  const close = `--${BOUNDARY}--\r\n`;
  it.each([
    ['nothing', '', 'InvalidArgument'],
    ['no boundary', 'hello', 'MalformedPOSTRequest'],
    ['no file', formBody([['key', 'k']]).toString(), 'InvalidArgument'],
    [
      'no name',
      `--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n${close}`,
      'MalformedPOSTRequest',
    ],
    [
      'no disposition',
      `--${BOUNDARY}\r\nContent-Type: a/b\r\n\r\nx\r\n${close}`,
      'MalformedPOSTRequest',
    ],
    [
      'a field twice',
      formBody(
        [
          ['key', 'a'],
          ['KEY', 'b'],
        ],
        { content: '' },
      ).toString(),
      'InvalidArgument',
    ],
    ['no key', formBody([['acl', 'private']], { content: '' }).toString(), 'InvalidArgument'],
    ['text behind the boundary', `--${BOUNDARY}x\r\n\r\n`, 'MalformedPOSTRequest'],
    [
      'a file without an end',
      formBody([['key', 'k']], { content: 'x' }, '\r\n--no').toString(),
      'MalformedPOSTRequest',
    ],
  ])('%s', async (_, body, code) => {
    const answer = await post(sluice, `/${Bucket}`, Buffer.from(body));
    expect(codeOf(answer)).toBe(code);
    expect(answer.status).toBeLessThan(500);
  });

  it('because its file never ends', async () => {
    const signed = signedV4(sluice, { conditions: [HERE, ANY_KEY] });
    const content = randomBytes(100_000);
    const body = formBody([['key', 'endless'], ...signed], { content }, '\r\n--nothing');
    const answer = await post(sluice, `/${Bucket}`, body);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'MalformedPOSTRequest']);
    await expect(read('endless')).rejects.toThrow();
  });

  it('because too much stands around its file', async () => {
    const many = formBody(
      [
        ['key', 'k'],
        ['x-ignore-a', 'x'.repeat(21_000)],
      ],
      { content: '' },
    );
    expect(codeOf(await post(sluice, `/${Bucket}`, many))).toBe('MaxPostPreDataLengthExceeded');
    const signed = signedV4(sluice, { conditions: [HERE, ANY_KEY] });
    const after = `\r\n--${BOUNDARY}\r\n${'x'.repeat(21_000)}\r\n--${BOUNDARY}--`;
    const late = formBody([['key', 'k'], ...signed], { content: 'y' }, after);
    expect(codeOf(await post(sluice, `/${Bucket}`, late))).toBe('MalformedPOSTRequest');
  });

  it('because nobody says how long it is', async () => {
    const answer = await post(sluice, `/${Bucket}`, Buffer.from('0\r\n\r\n'), {
      headers: ['transfer-encoding: chunked'],
    });
    expect(answer.status).toBe(400);
  });
});
