import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer as it stood on the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Cuts a stream of bytes into HTTP/1.1 answers by Content-Length and chunks; throws on bytes that are none. */
export function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(rest)?.[1];
    if (end === -1 || status === undefined) throw new Error(`no HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const lines = rest.slice(0, end).split('\r\n').slice(1);
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    rest = rest.slice(end + 4);
    if (status.startsWith('1')) continue;
    let body = '';
    const length = headers.get('content-length');
    if (length !== undefined) {
      body = rest.slice(0, Number(length));
      rest = rest.slice(Number(length));
    } else if (headers.get('transfer-encoding') === 'chunked') {
      for (let size = 1; size > 0; ) {
        const line = rest.indexOf('\r\n');
        size = Number.parseInt(rest.slice(0, line), 16);
        body += rest.slice(line + 2, line + 2 + size);
        rest = rest.slice(line + 4 + size);
      }
    }
    answers.push({ status: Number(status), headers, body });
  }
  return answers;
}

/** An open raw connection to the gateway. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes, then reads until the gateway closes the connection. The bytes must lead to that. */
export async function send(port: number, bytes: string | Buffer): Promise<RawAnswer[]> {
  const socket = await dial(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => socket.destroy());
  const closed = Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  await closed;
  socket.destroy();
  return parseAnswers(Buffer.concat(chunks).toString('latin1'));
}
