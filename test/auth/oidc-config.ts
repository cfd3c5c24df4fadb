import { type Config, parseConfig } from '../../src/config/index.ts';

/** A configuration with this `signIn` section. Throws with the faults when it has any. */
export function configFrom(signIn: Readonly<Record<string, unknown>>): Config {
  const raw = {
    mode: 'development',
    server: { host: '127.0.0.1', publicUrl: 'https://gw.example.com' },
    queues: [{ name: 'main', urls: ['http://127.0.0.1:9'], allowInsecure: true }],
    signIn,
  };
  const result = parseConfig(raw);
  if (!result.ok) throw new Error(result.faults.map((fault) => `${fault.path}: ${fault.reason}`).join('; '));
  return result.config;
}
