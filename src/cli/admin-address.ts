import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the admin listener is, as far as something says it. */
export interface AdminAddress {
  readonly host?: string;
  readonly port?: string;
  /** The named configuration file that could not be read. */
  readonly unread?: string;
}

/** The same as DEFAULT_FILES of the configuration, which takes ten times as long to load as this file. */
export const HEALTH_FILES = ['./config/gateway.yaml', '/etc/vov-gateway/gateway.yaml'] as const;

/** One key of what may be a mapping. */
const member = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;

/** The content of a YAML text as far as it can be made out, or undefined. Faults are the business of `vovgw check`. */
const content = (text: string): unknown => {
  try {
    return parse(text, { logLevel: 'silent', prettyErrors: false });
  } catch {
    return undefined;
  }
};

const textOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

interface Section {
  readonly admin: unknown;
  readonly unread?: string | undefined;
}

const fileSection = (named: string | undefined): Section => {
  const text = named === undefined ? HEALTH_FILES.map(textOf).find((found) => found !== undefined) : textOf(named);
  const root = text === undefined ? undefined : content(text);
  const unread = named !== undefined && (typeof root !== 'object' || root === null);
  return { admin: member(root, 'admin'), ...(unread && { unread: named }) };
};

/**
 * `admin.host` and `admin.port` from $VOVGW_ADMIN, else from the configuration file: the named one, else $VOVGW_CONFIG,
 * else the first default. Looks at nothing else, so that a fault elsewhere hides no gateway that runs. Never throws.
 */
export function configuredAdmin(named: string | undefined, env: Environment): AdminAddress {
  const section = env.VOVGW_ADMIN === undefined ? undefined : content(env.VOVGW_ADMIN);
  const whole = typeof section === 'object' && section !== null;
  const { admin, unread }: Section = whole ? { admin: section } : fileSection(named ?? env.VOVGW_CONFIG);
  const [host, port] = [member(admin, 'host'), member(admin, 'port')];
  return {
    ...(typeof host === 'string' && host !== '' && { host }),
    // 0 is a free port, which nothing outside the process knows.
    ...(Number.isInteger(port) && Number(port) > 0 && { port: String(port) }),
    ...(unread !== undefined && { unread }),
  };
}
