import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError, Secret } from '../../src/kernel/index.ts';
import { STACK_LIMIT } from '../../src/observe/clean-text.ts';
import { errorFields } from '../../src/observe/error-fields.ts';

/** The error of a connection to a port where nobody listens. */
const refused = (): Promise<Error> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: 1 });
    socket.on('error', resolve);
  });

describe('error fields', () => {
  it('keep type, message and frames', () => {
    const fields = errorFields(new TypeError('no such queue'));
    assert.equal(fields.type, 'TypeError');
    assert.equal(fields.message, 'no such queue');
    assert.equal(fields.code, undefined);
    assert.match(fields.stack ?? '', /^at .*error-fields\.test\.ts:\d+:\d+/);
    assert.doesNotMatch(fields.stack ?? '', /no such queue|\n/);
  });

  it('keep the code of a system error', async () => {
    const fields = errorFields(await refused());
    assert.equal(fields.code, 'ECONNREFUSED');
  });

  it('tell the internal reason and the causes of a gateway error', () => {
    const cause = new Error('socket hang up', { cause: new RangeError('inner') });
    const error = new GatewayError('GW_UPSTREAM_INVALID', 'The answer ended early.', {
      internal: 'after 12 of 40',
      cause,
    });
    const fields = errorFields(error);
    assert.equal(fields.type, 'GatewayError');
    assert.equal(fields.code, 'GW_UPSTREAM_INVALID');
    assert.equal(
      fields.message,
      'GW_UPSTREAM_INVALID: The answer ended early. (after 12 of 40) <- Error: socket hang up <- RangeError: inner',
    );
  });

  it('end a chain of causes that bites its tail', () => {
    const error = new Error('a');
    error.cause = error;
    assert.equal(errorFields(error).message, 'a <- Error: a <- Error: a <- Error: a');
  });

  it('never carry own properties of an error', () => {
    const error = Object.assign(new Error('refused'), {
      code: 'not a code',
      headers: { authorization: 'Bearer abc' },
      password: 'hunter2',
      cause: { token: 'vgw_a_b' },
    });
    const text = JSON.stringify(errorFields(error));
    assert.doesNotMatch(text, /hunter2|Bearer|vgw_a_b|not a code/);
    assert.equal(errorFields(error).message, 'refused <- object');
  });

  it('mask secrets in message and name, and bound the stack', () => {
    const error = new Error('GET redis://u:hunter2@r failed with vgw_abc_defghij');
    error.stack = `Error: x\n${'    at somewhere (/a/b.js:1:2)\n'.repeat(500)}`;
    error.name = 'vgw_abc_defghij';
    const fields = errorFields(error);
    assert.equal(fields.message, 'GET redis://[masked]@r failed with vgw_[masked]');
    assert.equal(fields.type, 'vgw_[masked]');
    assert.equal(fields.stack?.length, STACK_LIMIT);
  });

  it('tell only the type of other thrown values, except of text', () => {
    assert.deepEqual(errorFields('plain text'), {
      type: 'NonError',
      message: 'plain text',
      code: undefined,
      stack: undefined,
    });
    assert.equal(errorFields({ password: 'hunter2' }).message, 'a thrown object');
    assert.equal(errorFields(new Secret('hunter2')).message, 'a thrown object');
    assert.equal(errorFields(null).message, 'a thrown object');
  });

  it('survive an error whose getters throw', () => {
    const error = new Error('x');
    Object.defineProperty(error, 'message', {
      get() {
        throw new Error('gotcha');
      },
    });
    assert.equal(errorFields(error).message, 'an error that cannot be read');
  });
});
