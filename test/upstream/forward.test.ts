import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRawServer, createRig, queueOf, reply } from './rig.ts';

describe('forward', () => {
  it('carries a GET and streams the answer unchanged', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{"a":1}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call({ target: '/api/v3/query?select=id&from=jobs' });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), '{"a":1}');
    assert.equal(server.requests[0]?.target, '/api/v3/query?select=id&from=jobs');
    assert.deepEqual(rig.results[0]?.complete, true);
  });
});
