import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { importPKCS8 } from 'jose';
import {
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  modifyAssertion,
  None,
  PrivateKeyJwt,
} from 'openid-client';
import type { OidcConfig } from '../../config/index.ts';

/**
 * How the gateway proves itself at the token endpoint (RFC 6749, section 2.3; RFC 7523). The key of private_key_jwt is
 * read each time, so that a new one needs no restart. Throws when it cannot be used.
 */
export async function clientAuthOf(config: OidcConfig): Promise<ClientAuth> {
  const secret = config.clientSecret?.reveal() ?? '';
  switch (config.clientAuth) {
    case 'client_secret_basic':
      return ClientSecretBasic(secret);
    case 'client_secret_post':
      return ClientSecretPost(secret);
    case 'private_key_jwt':
      return PrivateKeyJwt(await readKey(config.clientKeyFile ?? ''), { [modifyAssertion]: nameWidely });
    case 'none':
      return None();
  }
}

async function readKey(file: string): Promise<Awaited<ReturnType<typeof importPKCS8>>> {
  const key = createPrivateKey(await readFile(file));
  return importPKCS8(key.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithmOf(key));
}

/** The library writes the name of RFC 9864, which few providers know yet; RFC 8037 has them all. */
function nameWidely(header: Record<string, unknown>): void {
  if (header.alg === 'Ed25519') header.alg = 'EdDSA';
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  const algorithm = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (algorithm === undefined)
    throw new TypeError('clientKeyFile must hold an RSA, P-256, P-384, P-521 or Ed25519 key');
  return algorithm;
}
