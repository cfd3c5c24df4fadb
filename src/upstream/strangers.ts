/**
 * What a server that has not told its name yet was given of accounts, and refused. Several candidates make it possible that
 * it is another queue, which must not collect the passwords of everybody.
 */
export interface Strangers {
  /** A password of the account was rejected there. True when that is enough: the server is left alone for a while. */
  rejected(account: string): boolean;
  /** Whether a password of the account was rejected there: it is not tried again before the server is known. */
  hasRejected(account: string): boolean;
  /** A password went there, or the JWT of a caller was refused and not replaced, and no name came of it. True when that is enough. */
  unnamed(): boolean;
  /** The server is known. */
  known(): void;
}

/** So many accounts may be turned away before the server is left alone. */
const ENOUGH = 2;

/** Creates the memory of one candidate; accounts stay in it until the server is known. */
export function createStrangers(): Strangers {
  const accounts = new Set<string>();
  let turnedAway = 0;
  const isEnough = (): boolean => {
    turnedAway += 1;
    if (turnedAway < ENOUGH) return false;
    turnedAway = 0;
    return true;
  };
  return {
    rejected(account) {
      accounts.add(account);
      return isEnough();
    },
    hasRejected: (account) => accounts.has(account),
    unnamed: isEnough,
    known() {
      accounts.clear();
      turnedAway = 0;
    },
  };
}
