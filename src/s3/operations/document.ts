/**
 * XML documents of operations, both ways: reads a request's document whole and verified, and
 * frames an answer. Text that is not UTF-8 is refused: guessing at it would name another key.
 */
import { utf8Decode } from '../../base/bytes.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Body } from '../../body/body.ts';
import type { S3Response } from '../request.ts';
import { xmlDocument } from '../xml.ts';

export const XML_HEADERS: S3Response['headers'] = [['Content-Type', 'application/xml']];

/** Empty when there is no document. Throws MalformedXML for bytes that are not UTF-8. */
export async function readOptionalDocument(body: Body, bytesMax: number): Promise<string> {
  const bytes = await body.bytes(bytesMax);
  try {
    const text = utf8Decode(bytes);
    return text.startsWith('\uFEFF') ? text.slice(1) : text;
  } catch (cause) {
    throw new S3Error('MalformedXML', { cause });
  }
}

/** Throws MissingRequestBodyError for none, MalformedXML for bytes that are not UTF-8. */
export async function readDocument(body: Body, bytesMax: number): Promise<string> {
  const text = await readOptionalDocument(body, bytesMax);
  if (text === '') throw new S3Error('MissingRequestBodyError');
  return text;
}

/**
 * A document whose meaning `authorize` has to know. Who is refused learns only that, whatever is
 * wrong with the document: `value` is undefined then.
 */
export async function readAuthorized<Value>(
  text: Promise<string>,
  parse: (text: string) => Value,
  authorize: (value: Value | undefined) => void,
): Promise<Value> {
  let value: Value;
  try {
    value = parse(await text);
  } catch (error) {
    if (error instanceof S3Error) authorize(undefined);
    throw error;
  }
  authorize(value);
  return value;
}

export function xmlResponse(
  root: string,
  inner: string,
  headers: S3Response['headers'] = [],
): S3Response {
  return { status: 200, headers: [...XML_HEADERS, ...headers], body: xmlDocument(root, inner) };
}
