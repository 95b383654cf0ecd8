/** ACLs as values: canned ones, what grants allow, headers and documents read or refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../../src/base/s3-error.ts';
import type { Accounts } from '../../../../src/s3/accounts.ts';
import {
  aclAllows,
  CANNED_ACLS,
  cannedGrants,
  decodeAcl,
  encodeAcl,
  type Grant,
  GROUPS,
  isPlain,
  isPublicAcl,
  PERMISSIONS,
} from '../../../../src/s3/acl/acl.ts';
import { aclXml, parseAcl } from '../../../../src/s3/acl/acl-document.ts';
import {
  parseAclHeaders,
  parseGrantees,
  resolveGrants,
} from '../../../../src/s3/acl/acl-request.ts';
import { failure } from '../../../support/s3-failure.ts';

const account = (id: string, email: string) => {
  return { id, displayName: `<${id}>`, email, admin: false, policy: undefined };
};
const ANN = account('ann', 'ann@example.com');
const accounts: Accounts = {
  byId: (id) => (['ann', 'bob'].includes(id) ? { ...ANN, id, displayName: `<${id}>` } : undefined),
  byEmail: (email) => (email === ANN.email ? ANN : undefined),
};
const anybody = fc.oneof(
  fc.constantFrom('ann', 'bob').map((id) => ({ kind: 'user' as const, id })),
  fc.constantFrom(...Object.values(GROUPS)).map((uri) => ({ kind: 'group' as const, uri })),
);
const grants = fc.array(
  fc.record({ grantee: anybody, permission: fc.constantFrom(...PERMISSIONS) }),
  { maxLength: 5 },
);

describe('grants', () => {
  it('come back from their text and from their document', () => {
    fc.assert(
      fc.property(grants, (list) => {
        expect(decodeAcl(encodeAcl(list), 'x')).toEqual(list);
        const text = `<AccessControlPolicy>${aclXml('ann', list, accounts)}</AccessControlPolicy>`;
        const read = parseAcl(text);
        expect(read.ownerId).toBe('ann');
        const isGroup = ({ grantee }: Grant): boolean => grantee.kind === 'group';
        // Groups first, and otherwise as they were given.
        const shown = [...list.filter(isGroup), ...list.filter((one) => !isGroup(one))];
        expect(resolveGrants(read.grants, accounts)).toEqual(shown);
      }),
    );
  });

  it('allow by the definition', () => {
    const askers = fc.constantFrom(
      { id: 'ann', anonymous: false },
      { id: 'eve', anonymous: false },
      { id: 'ann', anonymous: true },
    );
    const arbitrary = [grants, askers, fc.constantFrom(...PERMISSIONS), fc.boolean()] as const;
    fc.assert(
      fc.property(...arbitrary, (list, asker, permission, ignorePublic) => {
        const names: string[] = [];
        if (!asker.anonymous) names.push(asker.id);
        if (!ignorePublic) names.push(GROUPS.allUsers);
        if (!ignorePublic && !asker.anonymous) names.push(GROUPS.authenticatedUsers);
        const expected = list.filter(
          ({ grantee, permission: granted }) =>
            names.includes(grantee.kind === 'user' ? grantee.id : grantee.uri) &&
            ['FULL_CONTROL', permission].includes(granted),
        );
        expect(aclAllows(list, asker, permission, ignorePublic)).toBe(expected.length > 0);
      }),
    );
  });

  it('without a text are the owner’s', () => {
    expect(isPlain(decodeAcl(undefined, 'ann'), 'ann')).toBe(true);
    expect(isPlain(decodeAcl(undefined, 'ann'), 'bob')).toBe(false);
    expect(isPlain([], 'ann')).toBe(false);
  });
});

describe('a canned ACL', () => {
  const spelt = (list: readonly Grant[]) =>
    list.map(({ grantee, permission }) => {
      const who = grantee.kind === 'user' ? grantee.id.slice(0, 4) : grantee.uri.split('/').at(-1);
      return `${who ?? ''} ${permission}`;
    });

  it.each([
    ['private', []],
    ['public-read', ['AllUsers READ']],
    ['public-read-write', ['AllUsers READ', 'AllUsers WRITE']],
    ['authenticated-read', ['AuthenticatedUsers READ']],
    ['aws-exec-read', ['6aa5 READ']],
    ['bucket-owner-read', ['bob READ']],
    ['bucket-owner-full-control', ['bob FULL_CONTROL']],
    ['log-delivery-write', ['LogDelivery WRITE', 'LogDelivery READ_ACP']],
  ] as const)('%s', (canned, more) => {
    expect(spelt(cannedGrants(canned, 'ann', 'bob'))).toEqual(['ann FULL_CONTROL', ...more]);
    const open = more.some((one) => /AllUsers|AuthenticatedUsers/.test(one));
    expect(isPublicAcl(cannedGrants(canned, 'ann', 'bob'))).toBe(open);
  });

  it('about the bucket’s owner says nothing where that is the owner', () => {
    for (const canned of CANNED_ACLS.filter((one) => one.startsWith('bucket-owner-'))) {
      for (const owner of ['ann', undefined]) {
        expect(spelt(cannedGrants(canned, 'ann', owner))).toEqual(['ann FULL_CONTROL']);
      }
    }
  });
});

describe('headers', () => {
  it.each([
    ['id=a', [{ kind: 'user', id: 'a' }]],
    [
      'id="a", ID=b ,uri="http://x,y"',
      [
        { kind: 'user', id: 'a' },
        { kind: 'user', id: 'b' },
        { kind: 'group', uri: 'http://x,y' },
      ],
    ],
    [' emailAddress = "a@b.cc" ', [{ kind: 'email', email: 'a@b.cc' }]],
  ])('%s names grantees', (value, expected) => {
    expect(parseGrantees('x-amz-grant-read', value)).toEqual(expected);
  });

  it('are read or refused, whatever they say', () => {
    const words = fc.constantFrom('id', 'uri', 'emailAddress', '=', '"', ',', ' ', 'a', 'ü');
    const value = fc.array(words, { maxLength: 12 }).map((list) => list.join(''));
    fc.assert(
      fc.property(value, fc.option(value, { nil: undefined }), (grant, canned) => {
        const headers = new Map([['x-amz-grant-read', grant]]);
        if (canned !== undefined) headers.set('x-amz-acl', canned);
        try {
          const asked = parseAclHeaders(headers);
          expect(asked?.kind).toBe('grants');
        } catch (error) {
          if (!(error instanceof S3Error)) throw error;
          expect(error.status).toBe(400);
        }
      }),
    );
  });

  it('say nothing without ACLs', () => {
    expect(parseAclHeaders(new Map([['x-amz-meta-acl', 'private']]))).toBeUndefined();
  });

  it('name at most a hundred grantees', async () => {
    const grantee = { kind: 'user', id: 'ann' } as const;
    const list = Array.from({ length: 101 }, () => ({ grantee, permission: 'READ' as const }));
    expect(resolveGrants(list.slice(1), accounts)).toHaveLength(100);
    expect((await failure(() => resolveGrants(list, accounts))).code).toBe('InvalidRequest');
  });
});

it('a document is read or refused, whatever it says', () => {
  const names = fc.constantFrom(
    'AccessControlPolicy',
    'Owner',
    'ID',
    'AccessControlList',
    'Grant',
    'Grantee',
    'Permission',
    'READ',
  );
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      names,
      fc
        .tuple(names, fc.array(tie('tree'), { maxLength: 3 }))
        .map(([name, inner]) => `<${name}>${inner.join('')}</${name}>`),
    ),
  }));
  fc.assert(
    fc.property(fc.oneof(tree, fc.string()), (inner) => {
      try {
        parseAcl(`<AccessControlPolicy>${inner}</AccessControlPolicy>`);
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        expect(error.code).toBe('MalformedACLError');
      }
    }),
  );
});
