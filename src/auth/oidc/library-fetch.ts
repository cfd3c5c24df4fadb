import type { CustomFetch } from 'openid-client';
import type { ProviderCalls } from './provider-calls.ts';

/** The calls in the form that openid-client wants; of the answer it gets what it reads, and nothing to follow. */
export function libraryFetch(calls: ProviderCalls): CustomFetch {
  return async (url, { method, headers, body }) => {
    const answer = await calls.call(url, {
      method: method === 'POST' ? 'POST' : 'GET',
      headers,
      body: body === null || body === undefined ? undefined : String(body),
    });
    const { 'content-type': type = '', 'www-authenticate': challenge } = answer.headers;
    const empty = answer.status === 204 || answer.status === 205 || answer.status === 304;
    return new Response(empty ? null : new Uint8Array(answer.body), {
      status: answer.status < 200 ? 502 : answer.status,
      headers: { 'content-type': type, ...(challenge === undefined ? {} : { 'www-authenticate': challenge }) },
    });
  };
}
