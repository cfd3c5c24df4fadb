import { createServer } from 'node:http';
import { Pool } from 'undici';

// Plain node:http + undici: the least that a proxy in Node can do.
const [target = ''] = process.argv.slice(2);
const pool = new Pool(target, { connections: 64 });
const server = createServer(async (req, res) => {
  try {
    const { host: _host, connection: _connection, ...headers } = req.headers;
    const answer = await pool.request({
      path: req.url ?? '/',
      method: (req.method ?? 'GET') as 'GET',
      headers: headers as Record<string, string>,
      body: req.method === 'GET' ? null : req,
    });
    res.writeHead(answer.statusCode, answer.headers as Record<string, string>);
    answer.body.pipe(res);
  } catch {
    res.writeHead(502).end();
  }
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' ? address?.port : address}`);
});
