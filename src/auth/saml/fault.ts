/** A SAML document that is not accepted. The message is a short, stable reason for the log; it never quotes the document. */
export class SamlFault extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'SamlFault';
  }
}

/** The signature is well-made, but by none of the known certificates: perhaps the provider has a new one. */
export class UnknownSigner extends SamlFault {}
