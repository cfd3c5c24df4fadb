import { createHmac, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

/** Ids of our logout requests, which prove by themselves that they are ours: any replica knows them, nothing is stored. */
export interface RequestIds {
  mint(now: number): string;
  /** True for an id that was minted within the last ten minutes. */
  isOurs(id: string, now: number): boolean;
}

const FORM = /^_([0-9a-f]{12})([0-9a-f]{32})([0-9a-f]{64})$/;
const LIFE_MS = 10 * 60_000;

/** Ids under a key that is derived from the gateway's own, so that replicas agree. */
export function createRequestIds(key: KeyObject): RequestIds {
  const secret = Buffer.from(
    hkdfSync('sha256', key.export({ type: 'pkcs8', format: 'der' }), '', 'saml logout request id', 32),
  );
  const codeOf = (time: string, nonce: string): Buffer =>
    createHmac('sha256', secret).update(`${time}${nonce}`).digest();
  return {
    mint(now) {
      const time = now.toString(16).padStart(12, '0');
      const nonce = randomBytes(16).toString('hex');
      return `_${time}${nonce}${codeOf(time, nonce).toString('hex')}`;
    },
    isOurs(id, now) {
      const [, time = '', nonce = '', code = ''] = FORM.exec(id) ?? [];
      if (code === '' || !timingSafeEqual(codeOf(time, nonce), Buffer.from(code, 'hex'))) return false;
      const age = now - Number.parseInt(time, 16);
      return age < LIFE_MS && age > -LIFE_MS;
    },
  };
}
