import { createServer } from 'node:net';

// The fastest upstream that Node can be: answers are made beforehand, requests are only counted by their empty line.
const [port = '0'] = process.argv.slice(2);
const END = Buffer.from('\r\n\r\n');

const answer = (body: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
const columns = ['ID', 'USER', 'GROUP', 'COMMAND', 'STATUSNC', 'HOST', 'DURATIONPP'];
const row = ['000045080', 'alice', '/time/users.alice', `vw ${'x'.repeat(600)}`, 'Running', 'node01', '31s'];
const job = answer(
  JSON.stringify({
    startrow: 1,
    endrow: 1,
    errmsg: '',
    columns: columns.map((field, col) => ({ col, field })),
    rows: [row],
  }),
);
const project = answer(
  JSON.stringify({ startrow: 1, endrow: 1, errmsg: '', columns: [{ col: 0, field: 'project' }], rows: [['bench']] }),
);
const token = answer(JSON.stringify({ token_type: 'Bearer', access_token: 'bench.bench.bench' }));

function answerTo(head: string): Buffer {
  if (head.startsWith('POST')) return token;
  return head.includes('/project/1/') ? project : job;
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(END); end !== -1; end = rest.indexOf(END)) {
      const head = rest.toString('latin1', 0, 64);
      const length = /content-length: (\d+)/i.exec(rest.toString('latin1', 0, end))?.[1];
      rest = rest.subarray(end + 4 + Number(length ?? 0));
      socket.write(answerTo(head));
    }
  });
});
server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' ? address?.port : address}`);
});
