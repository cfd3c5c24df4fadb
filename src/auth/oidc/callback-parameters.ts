import type { WebRequest } from '../../kernel/index.ts';
import { signInFailed } from '../sign-in-failed.ts';

const MAX_QUERY = 8192;
/** Answers of flows that were not asked for. */
const FOREIGN = ['id_token', 'token', 'access_token', 'response'] as const;

/** The parameters of an authorization response, each at most once (RFC 6749, section 3.1). Throws GW_SIGN_IN_FAILED. */
export function callbackParameters(request: WebRequest): { readonly params: URLSearchParams; readonly state: string } {
  const params = request.query;
  if (request.method !== 'GET') throw signInFailed('the answer came by another method than GET');
  if (params.toString().length > MAX_QUERY) throw signInFailed('the answer is longer than 8 KiB');
  const names = [...params.keys()];
  if (new Set(names).size !== names.length) throw signInFailed('a parameter of the answer is duplicated');
  const foreign = FOREIGN.find((name) => params.has(name));
  if (foreign !== undefined) throw signInFailed(`the answer carries ${foreign}, which was not asked for`);
  const state = params.get('state') ?? '';
  if (state === '') throw signInFailed('the answer has no state');
  if (!params.has('error') && (params.get('code') ?? '') === '') throw signInFailed('the answer has no code');
  return { params, state };
}
