/** Ids of requests: 64 random bits as sixteen digits, as AWS writes them. Never an object's id. */
import { randomBytes } from 'node:crypto';

const ID_CHARS = 16;
const IDS_AT_ONCE = 512;
let ids = '';
let idAt = 0;

/** Randomness is fetched for many at once: asking for it costs more than it. */
export function requestId(): string {
  if (idAt === ids.length) {
    ids = randomBytes((IDS_AT_ONCE * ID_CHARS) / 2)
      .toString('hex')
      .toUpperCase();
    idAt = 0;
  }
  idAt += ID_CHARS;
  return ids.slice(idAt - ID_CHARS, idAt);
}
