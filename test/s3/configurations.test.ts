/** Configurations of buckets through the front door: defaults, round trips, refusals, removal. */
import {
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  DeleteBucketTaggingCommand,
  GetBucketAccelerateConfigurationCommand,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketRequestPaymentCommand,
  GetBucketTaggingCommand,
  GetBucketWebsiteCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketLoggingCommand,
  PutBucketTaggingCommand,
  PutBucketWebsiteCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectS3Error, s3Client } from '../support/client.ts';
import { type SluiceProcess, startSluice } from '../support/server.ts';
import { ask, outcome } from '../support/signed-request.ts';

const Bucket = 'configured';
const path = `/${Bucket}`;
let sluice: SluiceProcess;
let client: S3Client;

beforeAll(async () => {
  sluice = await startSluice();
  client = s3Client(sluice);
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  client.destroy();
  await sluice.close();
});

const put = (name: string, body: string): Promise<[number, string | undefined]> =>
  outcome(sluice, { method: 'PUT', path, query: { [name]: '' }, body });
const get = async (name: string): Promise<string> =>
  (await ask(sluice, { path, query: { [name]: '' } })).body.toString();

describe('a bucket without configurations', () => {
  it.each([
    ['cors', 'NoSuchCORSConfiguration'],
    ['tagging', 'NoSuchTagSet'],
    ['lifecycle', 'NoSuchLifecycleConfiguration'],
    ['website', 'NoSuchWebsiteConfiguration'],
  ])('has no %s', async (name, code) => {
    expect(await outcome(sluice, { path, query: { [name]: '' } })).toEqual([404, code]);
    const gone = await ask(sluice, { method: 'DELETE', path, query: { [name]: '' } });
    expect(gone.status).toBe(204);
  });

  it('has what AWS gives every bucket', async () => {
    const payment = await client.send(new GetBucketRequestPaymentCommand({ Bucket }));
    expect(payment.Payer).toBe('BucketOwner');
    const speed = await client.send(new GetBucketAccelerateConfigurationCommand({ Bucket }));
    expect(speed.Status).toBeUndefined();
    const logging = await client.send(new GetBucketLoggingCommand({ Bucket }));
    expect(logging.LoggingEnabled).toBeUndefined();
    const events = await client.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
    expect(events.QueueConfigurations).toBeUndefined();
  });

  it('is a bucket: others have none of it', async () => {
    for (const name of ['cors', 'requestPayment', 'lifecycle']) {
      const nowhere = { path: '/no-such-bucket', query: { [name]: '' } };
      expect(await outcome(sluice, nowhere)).toEqual([404, 'NoSuchBucket']);
      const gone = { ...nowhere, method: 'PUT', body: '<Any/>' };
      expect(await outcome(sluice, gone)).toEqual([404, 'NoSuchBucket']);
    }
  });
});

describe('CORS rules', () => {
  it('come back as they were put', async () => {
    const CORSRules = [
      {
        ID: 'one',
        AllowedHeaders: ['x-amz-*', 'content-type'],
        AllowedMethods: ['GET', 'PUT'],
        AllowedOrigins: ['https://*.example.com'],
        ExposeHeaders: ['ETag'],
        MaxAgeSeconds: 30,
      },
      { AllowedMethods: ['HEAD'], AllowedOrigins: ['*'] },
    ];
    const CORSConfiguration = { CORSRules };
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration }));
    const found = await client.send(new GetBucketCorsCommand({ Bucket }));
    expect(found.CORSRules).toEqual(CORSRules);
    const gone = await client.send(new DeleteBucketCorsCommand({ Bucket }));
    expect(gone.$metadata.httpStatusCode).toBe(204);
    const missing = client.send(new GetBucketCorsCommand({ Bucket }));
    await expectS3Error(missing, 404, 'NoSuchCORSConfiguration');
  });

  const rule = (inner: string): string =>
    `<CORSConfiguration><CORSRule>${inner}</CORSRule></CORSConfiguration>`;
  const from = '<AllowedOrigin>*</AllowedOrigin>';
  const to = '<AllowedMethod>GET</AllowedMethod>';
  it.each([
    ['<CORSConfiguration/>', 'MalformedXML'],
    [rule(from), 'MalformedXML'],
    [rule(to), 'MalformedXML'],
    [rule(`${from}${to}<AllowedHeaders>*</AllowedHeaders>`), 'MalformedXML'],
    [rule(`${from}<AllowedMethod>PATCH</AllowedMethod>`), 'InvalidRequest'],
    [rule(`${to}<AllowedOrigin>*.*</AllowedOrigin>`), 'InvalidRequest'],
    [rule(`${from}${to}<AllowedHeader>**</AllowedHeader>`), 'InvalidRequest'],
    [rule(`${from}${to}<ExposeHeader>x-*</ExposeHeader>`), 'InvalidRequest'],
    [
      `<CORSConfiguration>${`<CORSRule>${from}${to}</CORSRule>`.repeat(101)}</CORSConfiguration>`,
      'InvalidRequest',
    ],
  ])('not %.90s', async (body, code) => {
    expect(await put('cors', body)).toEqual([400, code]);
  });
});

describe('tags of a bucket', () => {
  it('are there from the start, when it was made with them', async () => {
    const tags = { Tags: [{ Key: 'made', Value: 'with' }] };
    const born = { Bucket: 'born-tagged', CreateBucketConfiguration: tags };
    await client.send(new CreateBucketCommand(born));
    const { TagSet } = await client.send(new GetBucketTaggingCommand({ Bucket: 'born-tagged' }));
    expect(TagSet).toEqual(tags.Tags);
    const twice = { Tags: [...tags.Tags, ...tags.Tags] };
    const refused = { Bucket: 'twice-tagged', CreateBucketConfiguration: twice };
    await expectS3Error(client.send(new CreateBucketCommand(refused)), 400, 'InvalidTag');
  });

  const tags = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: `v ${n}` }));
  const send = (TagSet: ReturnType<typeof tags>) =>
    client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));

  it('up to fifty', async () => {
    const answer = await send(tags(50));
    expect(answer.$metadata.httpStatusCode).toBe(204);
    const found = await client.send(new GetBucketTaggingCommand({ Bucket }));
    expect(found.TagSet).toEqual(tags(50));
    await client.send(new DeleteBucketTaggingCommand({ Bucket }));
    const missing = client.send(new GetBucketTaggingCommand({ Bucket }));
    await expectS3Error(missing, 404, 'NoSuchTagSet');
  });

  it('not fifty-one, not twice the same, no system tag', async () => {
    await expectS3Error(send(tags(51)), 400, 'BadRequest');
    await expectS3Error(send([...tags(11), { Key: 'k0', Value: '' }]), 400, 'InvalidTag');
    await expectS3Error(send([{ Key: 'aws:x', Value: '' }]), 400, 'InvalidTag');
  });
});

describe('lifecycle rules', () => {
  it('come back as they were put, named when they had no name', async () => {
    const Rules = [
      { ID: 'old', Prefix: 'logs/', Status: 'Enabled' as const, Expiration: { Days: 3 } },
      {
        ID: 'and',
        Filter: { And: { Prefix: 'p', Tags: [{ Key: 'a', Value: 'b' }], ObjectSizeLessThan: 9 } },
        Status: 'Disabled' as const,
        Expiration: { Date: new Date('2030-01-01T00:00:00Z') },
        Transitions: [{ Days: 30, StorageClass: 'GLACIER' as const }],
        NoncurrentVersionExpiration: { NoncurrentDays: 2, NewerNoncurrentVersions: 5 },
      },
      { Filter: {}, Status: 'Enabled' as const, Expiration: { ExpiredObjectDeleteMarker: true } },
      {
        ID: 'abort',
        Filter: { Prefix: '' },
        Status: 'Enabled' as const,
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      },
    ];
    const LifecycleConfiguration = { Rules };
    const stored = new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration });
    expect((await client.send(stored)).TransitionDefaultMinimumObjectSize).toBe(
      'all_storage_classes_128K',
    );
    const found = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    const id = found.Rules?.[2]?.ID ?? '';
    expect(id.length).toBeGreaterThan(20);
    expect(found.Rules).toEqual(Rules.map((one) => ({ ID: id, ...one })));
  });

  const doc = (...rules: string[]): string =>
    `<LifecycleConfiguration>${rules.map((one) => `<Rule>${one}</Rule>`).join('')}</LifecycleConfiguration>`;
  const on = '<Status>Enabled</Status>';
  const all = '<Filter/>';
  const days = '<Expiration><Days>1</Days></Expiration>';
  const abort =
    '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>' +
    '</AbortIncompleteMultipartUpload>';
  const tag = '<Tag><Key>k</Key><Value>v</Value></Tag>';
  const expire = (inner: string): string => `${on}${all}<Expiration>${inner}</Expiration>`;
  it.each([
    [doc(), 'MalformedXML'],
    [doc(`${on}${days}`), 'MalformedXML'],
    [doc(`${on}${all}<Prefix/>${days}`), 'MalformedXML'],
    [doc(`<Status>enabled</Status>${all}${days}`), 'MalformedXML'],
    [doc(`${all}${days}`), 'MalformedXML'],
    [doc(`${on}${all}`), 'InvalidRequest'],
    [doc(expire('')), 'MalformedXML'],
    [doc(expire('<Days>1</Days><Date>2030-01-01</Date>')), 'MalformedXML'],
    [doc(expire('<Days>0</Days>')), 'InvalidArgument'],
    [doc(expire('<Days>-1</Days>')), 'InvalidArgument'],
    [doc(expire('<Days>one</Days>')), 'MalformedXML'],
    [doc(expire('<Date>2030-01-01T01:00:00Z</Date>')), 'InvalidArgument'],
    [doc(expire('<Date>20200101</Date>')), 'MalformedXML'],
    [doc(`<ID>${'i'.repeat(256)}</ID>${on}${all}${days}`), 'InvalidArgument'],
    [doc(`<ID>i</ID>${on}${all}${days}`, `<ID>i</ID>${on}${all}${days}`), 'InvalidArgument'],
    [doc(`${on}<Filter><And><Prefix>a</Prefix></And></Filter>${days}`), 'MalformedXML'],
    [doc(`${on}<Filter><Prefix>a</Prefix>${tag}</Filter>${days}`), 'MalformedXML'],
    [doc(`${on}<Filter><And>${tag}${tag}</And></Filter>${days}`), 'InvalidRequest'],
    [doc(`${on}<Filter>${tag}</Filter>${abort}`), 'InvalidRequest'],
    [
      doc(
        `${on}<Filter>${tag}</Filter><Expiration><ExpiredObjectDeleteMarker>true` +
          '</ExpiredObjectDeleteMarker></Expiration>',
      ),
      'InvalidRequest',
    ],
    [
      doc(
        `${on}${all}<Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass></Transition>`,
      ),
      'InvalidArgument',
    ],
    [
      doc(`${on}${all}<Transition><Days>1</Days><StorageClass>ICE</StorageClass></Transition>`),
      'MalformedXML',
    ],
  ])('not %.120s', async (body, code) => {
    expect(await put('lifecycle', body)).toEqual([400, code]);
  });
});

describe('the small ones', () => {
  it.each([
    [
      'requestPayment',
      '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>',
    ],
    ['accelerate', '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>'],
  ])('%s comes back as it was put', async (name, body) => {
    expect(await put(name, body)).toEqual([200, undefined]);
    const inner = body.slice(body.indexOf('>') + 1);
    expect(await get(name)).toContain(inner);
  });

  it.each([
    [
      'requestPayment',
      '<RequestPaymentConfiguration><Payer>Me</Payer></RequestPaymentConfiguration>',
      400,
      'MalformedXML',
    ],
    ['accelerate', '<AccelerateConfiguration/>', 400, 'MalformedXML'],
    [
      'accelerate',
      '<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>',
      400,
      'MalformedXML',
    ],
    [
      'notification',
      '<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1:1:q</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>',
      400,
      'InvalidArgument',
    ],
    [
      'notification',
      '<NotificationConfiguration><QueueConfiguration><Queue>q</Queue><Event>s3:Nothing</Event></QueueConfiguration></NotificationConfiguration>',
      400,
      'InvalidArgument',
    ],
    ['cors', '', 400, 'MissingRequestBodyError'],
  ])('%s: %.80s is refused', async (name, body, status, code) => {
    expect(await put(name, body)).toEqual([status, code]);
  });
});

describe('logging', () => {
  it('names a bucket that exists', async () => {
    const set = (TargetBucket: string) =>
      client.send(
        new PutBucketLoggingCommand({
          Bucket,
          BucketLoggingStatus: {
            LoggingEnabled: {
              TargetBucket,
              TargetPrefix: 'log/',
              TargetGrants: [
                {
                  Grantee: { Type: 'CanonicalUser', ID: 'someone', DisplayName: 'Some One' },
                  Permission: 'READ',
                },
              ],
            },
          },
        }),
      );
    await expectS3Error(set('no-such-bucket'), 400, 'InvalidTargetBucketForLogging');
    await set(Bucket);
    const { LoggingEnabled } = await client.send(new GetBucketLoggingCommand({ Bucket }));
    expect(LoggingEnabled?.TargetGrants?.[0]?.Grantee?.Type).toBe('CanonicalUser');
    await client.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: {} }));
    const off = await client.send(new GetBucketLoggingCommand({ Bucket }));
    expect(off.LoggingEnabled).toBeUndefined();
  });
});

describe('a website', () => {
  it('comes back as it was put', async () => {
    const WebsiteConfiguration = {
      IndexDocument: { Suffix: 'index.html' },
      ErrorDocument: { Key: 'error.html' },
      RoutingRules: [
        {
          Condition: { KeyPrefixEquals: 'docs/' },
          Redirect: { ReplaceKeyPrefixWith: 'documents/', HttpRedirectCode: '302' },
        },
      ],
    };
    await client.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
    const found = await client.send(new GetBucketWebsiteCommand({ Bucket }));
    expect(found).toMatchObject(WebsiteConfiguration);
  });

  const doc = (inner: string): string => `<WebsiteConfiguration>${inner}</WebsiteConfiguration>`;
  const index = '<IndexDocument><Suffix>i</Suffix></IndexDocument>';
  const rule = (inner: string): string =>
    doc(`${index}<RoutingRules><RoutingRule>${inner}</RoutingRule></RoutingRules>`);
  it.each([
    [doc(''), 'InvalidArgument'],
    [doc('<IndexDocument><Suffix>a/b</Suffix></IndexDocument>'), 'InvalidArgument'],
    [
      doc(`${index}<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>`),
      'InvalidRequest',
    ],
    [rule('<Condition/><Redirect><HostName>h</HostName></Redirect>'), 'InvalidRequest'],
    [rule('<Redirect/>'), 'MalformedXML'],
    [rule('<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>'), 'InvalidRequest'],
  ])('not %.110s', async (body, code) => {
    expect(await put('website', body)).toEqual([400, code]);
  });
});
