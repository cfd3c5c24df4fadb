import { refusalText } from './device-login.ts';
import { type GatewayClient, GatewayFault } from './gateway-client.ts';

/** Ends a token at the gateway (RFC 7009); null when it has ended, else why not. */
export async function endToken(client: GatewayClient, token: string): Promise<string | null> {
  try {
    const answer = await client.post('/oauth/revoke', { token, client_id: 'vovgw' });
    return answer.status === 200 ? null : refusalText(answer);
  } catch (error) {
    if (error instanceof GatewayFault) return error.message;
    throw error;
  }
}
