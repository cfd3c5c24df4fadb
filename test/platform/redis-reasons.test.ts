import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ReplyError } from 'ioredis';
import { AwayError, commandAway, connectionAway, opensCircuit, replyCode } from '../../src/platform/redis-away.ts';

const reply = (text: string): Error => new ReplyError(text);

test('the code of a reply is its first word, and of nothing else', () => {
  assert.equal(replyCode(reply('WRONGTYPE Operation against a key')), 'WRONGTYPE');
  assert.equal(replyCode(reply('OOM')), 'OOM');
  assert.equal(replyCode(new Error('OOM command not allowed')), null);
  assert.equal(replyCode('OOM'), null);
  assert.equal(replyCode(undefined), null);
});

test('errors of the command itself are not the server’s fault', () => {
  for (const text of [
    'ERR value is not an integer',
    'WRONGTYPE Operation',
    'CROSSSLOT Keys',
    'NOSCRIPT No',
    'EXECABORT x',
  ]) {
    assert.equal(commandAway(reply(text)), null, text);
    assert.equal(connectionAway(reply(text)).reason, text, 'while connecting they are a reason all the same');
  }
});

test('whether the circuit opens is decided by the code', () => {
  const opens = (error: unknown): boolean => opensCircuit(connectionAway(error));
  for (const code of ['NOAUTH', 'WRONGPASS', 'LOADING', 'READONLY', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY']) {
    assert.equal(opens(reply(`${code} x`)), true, code);
  }
  for (const code of ['OOM', 'MISCONF', 'NOREPLICAS', 'NOPERM', 'MOVED', 'ASK', 'TRYAGAIN']) {
    assert.equal(opens(reply(`${code} x`)), false, code);
    assert.ok(commandAway(reply(`${code} x`)), code);
  }
  for (const error of [new Error('x'), Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'x', undefined]) {
    assert.equal(opens(error), true);
    assert.ok(commandAway(error));
  }
});

test('a text that only looks like a code decides nothing', () => {
  assert.equal(connectionAway(new Error('OOM killed')).code, 'CONNECTION');
  assert.equal(commandAway(reply('ERR READONLY is what the script said')), null);
});

test('a reason is never empty and says what to do where that is known', () => {
  const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });
  assert.deepEqual(connectionAway(refused), { code: 'ECONNREFUSED', reason: 'ECONNREFUSED' });
  assert.match(connectionAway(reply('WRONGPASS invalid username-password pair')).reason, /correct redis\.username/);
  assert.match(connectionAway(reply('OOM command not allowed')).reason, /maxmemory/);
  const own = new AwayError({ code: 'TIMEOUT', reason: 'no answer within 300 ms' });
  assert.equal(connectionAway(own), own.away);
});

test('nothing of the command that ioredis attaches to an error goes on', () => {
  const error = Object.assign(reply('WRONGPASS refused'), { command: { name: 'auth', args: ['user', 'top-secret'] } });
  assert.doesNotMatch(
    inspect([connectionAway(error), commandAway(error)], { depth: 9, showHidden: true }),
    /top-secret/,
  );
});
