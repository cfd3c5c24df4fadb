import { z } from 'zod';
import { Secret } from '../kernel/index.ts';

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A duration such as `500ms`, `20s`, `15m`, `4h`, `90d`; a number in milliseconds once decided. */
export const duration = () =>
  z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, 'is no duration')
    .transform((text) => {
      const unit = /[a-z]+$/.exec(text)?.[0] ?? 'ms';
      return Math.round(Number.parseFloat(text) * (DURATION_UNITS[unit] ?? 1));
    })
    .meta({ unit: 'duration' });

/** A size such as `64KiB` or `1MiB`; a number of bytes once decided. */
export const size = () =>
  z
    .string()
    .regex(/^\d+(B|KiB|MiB|GiB)$/, 'is no size')
    .transform((text) => {
      const unit = /[A-Za-z]+$/.exec(text)?.[0] ?? 'B';
      return Number.parseInt(text, 10) * (SIZE_UNITS[unit] ?? 1);
    })
    .meta({ unit: 'size' });

const textIn = (value: number, units: Readonly<Record<string, number>>, smallest: string): string => {
  const fits = Object.entries(units).filter(([, factor]) => value > 0 && value % factor === 0);
  const [unit, factor] = fits.at(-1) ?? [smallest, 1];
  return `${value / factor}${unit}`;
};

/** Milliseconds as the text that {@link duration} reads. */
export const durationText = (ms: number): string => textIn(ms, DURATION_UNITS, 'ms');

/** Bytes as the text that {@link size} reads. */
export const sizeText = (bytes: number): string => textIn(bytes, SIZE_UNITS, 'B');

/** A secret; may be given by its `…File` twin. Wrapped, so that it cannot be printed by accident. */
export const secret = () =>
  z
    .string()
    .min(1, 'is empty')
    .transform((text) => new Secret(text))
    .meta({ secret: true });

/** A path to a file or folder; relative paths start at the folder of the configuration file. */
export const path = () => z.string().min(1, 'is empty').meta({ path: true });

/** A TCP port; 0 takes a free one. */
export const port = () => z.number().int().min(0).max(65_535);

/** A name that may become part of a key or a metric label. */
export const name = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be 1 to 64 characters of A-Z a-z 0-9 _ . -');
