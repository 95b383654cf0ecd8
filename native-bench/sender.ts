/**
 * Sends bytes over loopback as fast as they are taken: the same sender for both receivers, as an
 * HTTP PUT to ours and as they are to the C program's.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

const PIECE_BYTES = 1024 * 1024;

export async function send(port: number, bytes: number, http: boolean): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const ended = new Promise((resolve) => socket.once('close', resolve));
  // A receiver that ends at its last byte may reset what is still on its way out.
  socket.on('error', () => {});
  if (http) socket.write(`PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`);
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let at = 0, count = 0; at < bytes; at += PIECE_BYTES) {
    const more = socket.write(piece.subarray(0, Math.min(PIECE_BYTES, bytes - at)));
    count += 1;
    if (!more && count % 4 === 0) await once(socket, 'drain');
  }
  // Either receiver ends the connection when it has everything.
  socket.resume();
  await ended;
}
