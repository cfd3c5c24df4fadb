import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** A server that speaks as much RESP as the adapter needs, with the answers of the test. */
export interface FakeRedis extends AsyncDisposable {
  readonly port: number;
  /** Commands that arrived, in lower case. */
  readonly seen: string[];
}

const COMMAND = /\*(\d+)\r\n((?:\$\d+\r\n[^\r\n]*\r\n)+)/g;

/** `answer` gets name and arguments and gives a RESP reply without its end of line; null: no answer, ever. */
export async function startFakeRedis(
  answer: (name: string, args: readonly string[]) => string | null,
): Promise<FakeRedis> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      for (const [, , body = ''] of chunk.toString().matchAll(COMMAND)) {
        const [name = '', ...args] = body.split('\r\n').filter((_, index) => index % 2 === 1);
        seen.push(name.toLowerCase());
        const reply = answer(name.toLowerCase(), args);
        if (reply !== null) socket.write(`${reply}\r\n`);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
