/**
 * AccessControlPolicy, both ways: the document of the four ACL operations. Refuses, with
 * MalformedACLError, elements that are unknown, missing or said twice.
 */
import { S3Error } from '../../base/s3-error.ts';
import { type Accounts, displayNameOf } from '../accounts.ts';
import { element } from '../xml.ts';
import { readXml, type XmlNode } from '../xml-reader.ts';
import { type Grant, PERMISSIONS } from './acl.ts';
import type { NamedGrant, NamedGrantee } from './acl-request.ts';

export interface AclDocument {
  readonly ownerId: string;
  readonly grants: readonly NamedGrant[];
}

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

/** Groups first: clients compare lists, and that is the order they expect of a canned ACL. */
export function aclXml(ownerId: string, grants: readonly Grant[], accounts: Accounts): string {
  const person = (id: string): string =>
    element('ID', id) + element('DisplayName', displayNameOf(accounts, id));
  const isGroup = ({ grantee }: Grant): boolean => grantee.kind === 'group';
  const inOrder = [...grants.filter(isGroup), ...grants.filter((grant) => !isGroup(grant))];
  const list = inOrder.map(({ grantee, permission }) => {
    const inner = grantee.kind === 'user' ? person(grantee.id) : element('URI', grantee.uri);
    const type = grantee.kind === 'user' ? 'CanonicalUser' : 'Group';
    return (
      `<Grant><Grantee ${XSI} xsi:type="${type}">${inner}</Grantee>` +
      `${element('Permission', permission)}</Grant>`
    );
  });
  return `<Owner>${person(ownerId)}</Owner><AccessControlList>${list.join('')}</AccessControlList>`;
}

function malformed(): S3Error {
  return new S3Error('MalformedACLError');
}

/** Children by name; none said twice, none but these. */
function only(node: XmlNode, names: readonly string[]): ReadonlyMap<string, XmlNode> {
  const found = new Map<string, XmlNode>();
  for (const child of node.children) {
    if (!names.includes(child.name) || found.has(child.name)) throw malformed();
    found.set(child.name, child);
  }
  return found;
}

function textOf(node: XmlNode | undefined): string {
  const text = node?.text.trim() ?? '';
  if (text === '') throw malformed();
  return text;
}

function readGrantee(node: XmlNode | undefined): NamedGrantee {
  if (node === undefined) throw malformed();
  const parts = only(node, ['ID', 'DisplayName', 'EmailAddress', 'URI']);
  switch (node.attributes.get('type')) {
    case 'CanonicalUser':
      return { kind: 'user', id: textOf(parts.get('ID')) };
    case 'AmazonCustomerByEmail':
      return { kind: 'email', email: textOf(parts.get('EmailAddress')) };
    case 'Group':
      return { kind: 'group', uri: textOf(parts.get('URI')) };
    default:
      throw malformed();
  }
}

function readGrant(node: XmlNode): NamedGrant {
  if (node.name !== 'Grant') throw malformed();
  const parts = only(node, ['Grantee', 'Permission']);
  const said = textOf(parts.get('Permission'));
  const permission = PERMISSIONS.find((one) => one === said);
  if (permission === undefined) throw malformed();
  return { grantee: readGrantee(parts.get('Grantee')), permission };
}

/** Throws MalformedACLError. */
export function parseAcl(text: string): AclDocument {
  let root: XmlNode;
  try {
    root = readXml(text, 'AccessControlPolicy');
  } catch (cause) {
    throw new S3Error('MalformedACLError', { cause });
  }
  const parts = only(root, ['Owner', 'AccessControlList']);
  const owner = parts.get('Owner');
  const list = parts.get('AccessControlList');
  if (owner === undefined || list === undefined) throw malformed();
  const ownerId = textOf(only(owner, ['ID', 'DisplayName']).get('ID'));
  return { ownerId, grants: list.children.map(readGrant) };
}
