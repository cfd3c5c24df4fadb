import fastifyHttpProxy from '@fastify/http-proxy';
import { fastify } from 'fastify';

// Bare @fastify/http-proxy with its defaults.
const [target = ''] = process.argv.slice(2);
const app = fastify();
await app.register(fastifyHttpProxy, { upstream: target });
const address = await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening ${new URL(address).port}`);
