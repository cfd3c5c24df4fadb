import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { Secret } from '../kernel/index.ts';
import { CHECKS } from './checks.ts';
import { toDraft } from './draft.ts';
import { type Overlay, readEnv, readFlags } from './env.ts';
import type { ConfigResult, Fault } from './fault.ts';
import { codeOf, type Files, fileMend, filesOf } from './files.ts';
import { type Finding, toFindings } from './issues.ts';
import { type Layered, layered } from './layers.ts';
import { type Config, configSchema } from './schema.ts';
import { type Settled, settle } from './settle.ts';
import { configShape, isRaw, pathSegments, type Raw } from './shape.ts';
import { parseYaml, type YamlFile } from './yaml-file.ts';

/** From where a configuration is put together: flags over environment over file over defaults. */
export interface LoadInput {
  /** Path of the YAML file; without it VOVGW_CONFIG; without that, environment and flags alone. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By key, for example `{'server.port': 0}`. */
  readonly flags?: Raw | undefined;
  /** Reads a file as text or throws an error with a `code`; the real file system when left out. */
  readonly readFile?: ((path: string) => string) | undefined;
}

const REQUIRED_SECRETS = ['sealingKey', 'tokenKey'] as const;

/** Fills in the secrets that a trial lacks; gives the keys that were made. */
const generate = (raw: unknown, unread: ReadonlySet<string>): { raw: unknown; generated: string[] } => {
  if (!isRaw(raw) || raw.mode !== 'development') return { raw, generated: [] };
  const given = raw.secrets ?? {};
  if (!isRaw(given)) return { raw, generated: [] };
  const missing = REQUIRED_SECRETS.filter((key) => given[key] === undefined && !unread.has(`secrets.${key}`));
  const made = Object.fromEntries(missing.map((key) => [key, randomBytes(32).toString('base64')]));
  return { raw: { ...raw, secrets: { ...given, ...made } }, generated: missing };
};

const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (!(value instanceof Secret)) for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
};

const hides = (shapePath: string, path: string): boolean =>
  path === shapePath || path.startsWith(`${shapePath}.`) || path.startsWith(`${shapePath}[`);

interface Layers {
  readonly file: YamlFile | null;
  readonly path: string | null;
  readonly env: readonly Overlay[];
  readonly flags: readonly Overlay[];
  readonly base: string;
  readonly faults: Fault[];
  readonly warnings: string[];
}

const withSource = (finding: Finding, layers: Layers, merged: Layered): Fault => {
  const origin = merged.origin(finding.path);
  if (origin !== null) {
    return { ...finding, reason: `${finding.reason} (set by ${origin.name})`, source: origin.source };
  }
  if (layers.file === null) return finding;
  const line = layers.file.lineOf(pathSegments(finding.path));
  return { ...finding, source: 'file', ...(line === undefined ? {} : { line }) };
};

const shapeFindings = (settled: Settled, raw: unknown): { config: Config | null; findings: Finding[] } => {
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) return { config: parsed.data as Config, findings: [] };
  const findings = parsed.error.issues.flatMap((issue) => toFindings(configShape, raw, issue));
  return { config: null, findings: findings.filter((finding) => !settled.unread.has(finding.path)) };
};

const decide = (layers: Layers, files: Files): ConfigResult => {
  const merged = layered(layers.file?.content, [layers.env, layers.flags]);
  const settled = settle(configShape, merged.raw, layers.base, files);
  const { raw, generated } = generate(settled.raw, settled.unread);
  const { config, findings } = shapeFindings(settled, raw);
  const hidden = [...findings.map((finding) => finding.path), ...settled.unread];
  // What is said of a whole may be untrue when a part of it is at fault: it counts as missing.
  const crossed = CHECKS.flatMap((check) => [...check.run(toDraft(configShape, raw), { files })]).filter(
    (finding) => !hidden.some((path) => hides(path, finding.path) || hides(finding.path, path)),
  );
  const found = [...findings, ...settled.faults, ...crossed.filter((finding) => finding.level !== 'warning')];
  const byLine = (fault: Fault): number => fault.line ?? Number.POSITIVE_INFINITY;
  const faults = [
    ...layers.faults,
    ...merged.faults,
    ...found.map(({ path, reason, mend }) => withSource({ path, reason, mend }, layers, merged)),
  ].sort((a, b) => (byLine(a) === byLine(b) ? 0 : byLine(a) - byLine(b)));
  const mended = crossed.flatMap(({ file }) => (file === undefined ? [] : [file]));
  const read = [...(layers.path === null ? [] : [layers.path]), ...settled.files, ...mended];
  const warned = crossed.filter((finding) => finding.level === 'warning');
  const warnings = [
    ...layers.warnings,
    ...settled.warnings,
    ...generated.map((key) => `secrets.${key}: made at start; whatever it seals or hashes ends with this process`),
    ...warned.map(({ path, reason, mend }) => `${path}: ${reason}. ${mend}`),
  ];
  if (config === null || faults.length > 0) return { ok: false, faults, warnings, files: read };
  return { ok: true, config: deepFreeze(config), warnings, generated, files: read };
};

const readConfigFile = (path: string, files: Files): { file: YamlFile | null; faults: Fault[] } => {
  try {
    const file = parseYaml(path, files.read(path));
    return { file, faults: file.faults };
  } catch (error) {
    const code = codeOf(error);
    const fault: Fault = { path, reason: `cannot be read: ${code}`, mend: fileMend(code), source: 'file' };
    return { file: null, faults: [fault] };
  }
};

/**
 * Puts the configuration together and checks it whole: either the frozen configuration or all its faults at once.
 * Reads files, touches no network, never throws.
 */
export function loadConfig(input: LoadInput): ConfigResult {
  const files = filesOf(input.readFile);
  const env = readEnv(input.env);
  const flags = readFlags(input.flags ?? {});
  const named = input.file ?? input.env.VOVGW_CONFIG;
  const path = named === undefined ? null : resolve(named);
  const { file, faults } = path === null ? { file: null, faults: [] } : readConfigFile(path, files);
  const early = [...faults, ...env.faults, ...flags.faults];
  // Without a readable file, what would be found missing below is only noise.
  if (path !== null && (file === null || file.content === null)) {
    return { ok: false, faults: early, warnings: env.warnings, files: [path] };
  }
  const base = path === null ? process.cwd() : dirname(path);
  return decide(
    { file, path, env: env.overlays, flags: flags.overlays, base, faults: early, warnings: env.warnings },
    files,
  );
}

/** The same for a plain object in the form of the file; relative paths start at `base` (the working directory). */
export function parseConfig(
  raw: unknown,
  options: { base?: string; readFile?: (path: string) => string } = {},
): ConfigResult {
  const file: YamlFile = { content: raw, faults: [], lineOf: () => undefined };
  const base = resolve(options.base ?? '.');
  const layers: Layers = { file, path: null, env: [], flags: [], base, faults: [], warnings: [] };
  return decide(layers, filesOf(options.readFile));
}

/** Where a configuration file is looked for when none is named. */
export const DEFAULT_FILES = ['./config/gateway.yaml', '/etc/vov-gateway/gateway.yaml'] as const;

/** The file to load: the named one, else VOVGW_CONFIG, else the first default that exists, else undefined. */
export function findConfigFile(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean,
): string | undefined {
  return named ?? env.VOVGW_CONFIG ?? DEFAULT_FILES.find(exists);
}
