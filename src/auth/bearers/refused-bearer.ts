import { GatewayError } from '../../kernel/index.ts';
import { invalidToken } from '../refusals.ts';

/** 401 with the text of every wrong token; `reason` is for the log only. */
export function refusedBearer(reason: string, cause?: unknown): GatewayError {
  const { code, detail, headers } = invalidToken();
  return new GatewayError(code, detail, { headers, internal: reason, ...(cause === undefined ? {} : { cause }) });
}
