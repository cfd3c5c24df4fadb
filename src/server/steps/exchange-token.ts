import type { TokenEndpoint } from '../../auth/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import { answerJson } from '../answer.ts';
import type { Step } from '../scope.ts';
import type { AttemptGuard } from './authenticate.ts';
import { readBody } from './collect-body.ts';

const FORM_BYTES = 16_384;

/** Answers the vendor's token endpoint: user name and access token in, a derived gateway token out. */
export function createExchangeToken(endpoint: TokenEndpoint, guard: AttemptGuard): Step {
  return async (scope) => {
    const { req, res, meta } = scope;
    scope.route = { template: '/api/v3/token', class: 'login', scope: 'read', own: true };
    if (meta.method !== 'POST') {
      throw new GatewayError('GW_METHOD_NOT_ALLOWED', 'The token endpoint takes POST only.', {
        headers: { Allow: 'POST' },
      });
    }
    if (scope.expectsContinue) res.writeContinue();
    const form = endpoint.parse(req.headers['content-type'], await readBody(req, FORM_BYTES));
    const granted = await guard.around(scope, form.tokenId, () => endpoint.exchange(form, scope.queue ?? ''));
    scope.caller = granted.caller;
    scope.bytesOut = answerJson(
      res,
      [...scope.head, ...Object.entries(granted.headers).flat()],
      200,
      'application/json',
      granted.json,
    );
  };
}
