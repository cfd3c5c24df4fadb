import type { Profile } from './profile.ts';
import { errorReply, jsonReply, Refusal } from './reply.ts';
import type { Caller } from './state.ts';
import { LEVELS, type Level } from './users.ts';

/** Operations of H-OPS ("Operations by Security Level") that REST reaches. */
export type Operation =
  | 'ViewStatus'
  | 'CreateJob'
  | 'OwnJob'
  | 'RunJobOther'
  | 'StopJobOther'
  | 'ForgetJobOther'
  | 'ModifyJobOther'
  | 'ModifyJobExitOther'
  | 'ModifyJobResourcesOther';

/** The lowest level that may do it; null for nobody. A USER may run the job of another: that is documented. */
export const LOWEST_LEVEL: Readonly<Record<Operation, Level | null>> = {
  ViewStatus: 'READONLY',
  CreateJob: 'USER',
  OwnJob: 'USER',
  RunJobOther: 'USER',
  StopJobOther: 'LEADER',
  ForgetJobOther: 'LEADER',
  ModifyJobOther: null,
  ModifyJobExitOther: 'ADMIN',
  ModifyJobResourcesOther: 'ADMIN',
};

/** Whether a level suffices for an operation. */
export function mayDo(level: Level, operation: Operation): boolean {
  const lowest = LOWEST_LEVEL[operation];
  return lowest !== null && LEVELS.indexOf(level) >= LEVELS.indexOf(lowest);
}

/** The answer to a caller who may not, as the profile says. */
export function denial(profile: Profile): Refusal {
  if (profile.denial === 'errmsg') return new Refusal(jsonReply(200, { [profile.errorKey]: 'Acl Denied' }));
  return new Refusal(errorReply(Number(profile.denial), 'Acl Denied'));
}

/** Throws Refusal unless the caller may do `operation`; what is another's needs the operation named `Other`. */
export function demand(profile: Profile, caller: Caller, operation: Operation): void {
  if (!mayDo(caller.level, operation)) throw denial(profile);
}
