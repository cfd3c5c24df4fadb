import { ReplyError } from 'ioredis';
import { messageOf } from '../kernel/index.ts';

/** Why the store cannot be used: a bounded code, and a reason for people. */
export interface Away {
  readonly code: string;
  readonly reason: string;
}

/** Carries an {@link Away} through a rejected promise. */
export class AwayError extends Error {
  readonly away: Away;

  constructor(away: Away) {
    super(away.reason);
    this.name = 'AwayError';
    this.away = away;
  }
}

/** Error codes of Redis that concern the server and not the command, and what people should know about them. */
const SERVER_CODES: Readonly<Record<string, { readonly down: boolean; readonly hint: string }>> = {
  NOAUTH: { down: true, hint: 'it wants a password; set redis.password' },
  WRONGPASS: { down: true, hint: 'it refused the user name or password; correct redis.username and redis.password' },
  LOADING: { down: true, hint: 'it still loads its data' },
  READONLY: { down: true, hint: 'this is a replica and takes no writes; point redis.nodes at the master' },
  MASTERDOWN: { down: true, hint: 'this is a replica that lost its master' },
  CLUSTERDOWN: { down: true, hint: 'the Cluster does not serve all slots' },
  BUSY: { down: true, hint: 'it is busy with a script' },
  MOVED: { down: false, hint: 'the slot is on another node; set redis.mode to cluster if this is a Cluster' },
  ASK: { down: false, hint: 'the slot is being moved to another node' },
  TRYAGAIN: { down: false, hint: 'the slot is being moved to another node' },
  OOM: { down: false, hint: 'its memory is full; raise maxmemory' },
  MISCONF: { down: false, hint: 'it cannot save to its disk and refuses writes' },
  NOREPLICAS: { down: false, hint: 'it has too few replicas and refuses writes' },
  NOPERM: { down: false, hint: 'the ACL user lacks a permission' },
};

/** The error code of a Redis reply: its first word, by protocol (RESP, "Simple errors"). Null for any other error. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof ReplyError)) return null;
  return messageOf(error).split(' ', 1)[0] ?? null;
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'CONNECTION';
}

/** Why a connection could not be set up or used. The error itself is not kept: it may hold the arguments of AUTH. */
export function connectionAway(error: unknown): Away {
  if (error instanceof AwayError) return error.away;
  const code = replyCode(error);
  if (code === null) return { code: codeOf(error), reason: messageOf(error) || codeOf(error) };
  const hint = SERVER_CODES[code]?.hint;
  return { code, reason: hint === undefined ? messageOf(error) : `${code}: ${hint} (${messageOf(error)})` };
}

/** Why a command failed when the server is to blame; null when the command itself was wrong. */
export function commandAway(error: unknown): Away | null {
  const code = replyCode(error);
  return code === null || code in SERVER_CODES ? connectionAway(error) : null;
}

/** Code of a reply that refuses one command only; null when something is wrong with the server or the connection. */
export function refusalOf(error: unknown): string | null {
  const away = commandAway(error);
  if (away === null) return replyCode(error);
  return away.code === 'NOPERM' ? away.code : null;
}

/** True when nothing else will work either, so that the circuit opens. */
export function opensCircuit(away: Away): boolean {
  return SERVER_CODES[away.code]?.down ?? true;
}
