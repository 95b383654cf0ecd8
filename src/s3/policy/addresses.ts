/**
 * IP addresses and ranges of policy conditions, without sockets: reads IPv4, IPv6 and CIDR, and
 * tells whether an address lies in a range. Refuses anything else by answering undefined. An IPv4
 * address mapped into IPv6 is the IPv4 address.
 */

interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

export interface AddressRange extends Address {
  readonly prefix: number;
}

function parseIpv4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0n;
  for (const octet of match.slice(1)) {
    if (Number(octet) > 255 || (octet.length > 1 && octet.startsWith('0'))) return undefined;
    value = (value << 8n) | BigInt(octet);
  }
  return value;
}

function parseGroups(text: string): bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const words = text.split(':');
  for (const [index, word] of words.entries()) {
    const dotted = index === words.length - 1 ? parseIpv4(word) : undefined;
    if (dotted !== undefined) groups.push(dotted >> 16n, dotted & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(BigInt(`0x${word}`));
    else return undefined;
  }
  return groups;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

function parseAddress(text: string): Address | undefined {
  const four = parseIpv4(text);
  if (four !== undefined) return { bits: 32, value: four };
  const six = text.includes(':') ? parseIpv6(text.replace(/%.*$/, '')) : undefined;
  if (six === undefined) return undefined;
  if (six >> 32n === 0xffffn) return { bits: 32, value: six & 0xffffffffn };
  return { bits: 128, value: six };
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. */
export function parseRange(text: string): AddressRange | undefined {
  const [address = '', prefix, more] = text.split('/');
  const parsed = parseAddress(address);
  if (parsed === undefined || more !== undefined) return undefined;
  if (prefix === undefined) return { ...parsed, prefix: parsed.bits };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > parsed.bits) return undefined;
  return { ...parsed, prefix: Number(prefix) };
}

export function inRange(text: string, range: AddressRange): boolean {
  const address = parseAddress(text);
  if (address === undefined || address.bits !== range.bits) return false;
  const shift = BigInt(range.bits - range.prefix);
  return address.value >> shift === range.value >> shift;
}
