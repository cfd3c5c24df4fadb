import { Agent } from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';

// Express + http-proxy-middleware: bare, or with a keep-alive agent of its own when the second argument is `agent`.
const [target = '', tuned] = process.argv.slice(2);
const agent = tuned === 'agent' ? { agent: new Agent({ keepAlive: true, maxSockets: 64 }) } : {};
const app = express();
app.use(createProxyMiddleware({ target, ...agent }));
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' ? address?.port : address}`);
});
