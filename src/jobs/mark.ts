import type { Config } from '../config/index.ts';
import { foldField } from '../kernel/index.ts';
import { readMembers } from './job-text.ts';

type Marker = Exclude<Config['jobs']['marker'], 'none'>;

/** How each field carries a mark, and by which name a query finds it. */
const CARRIERS: Readonly<Record<Marker, { readonly value: (mark: string) => string; readonly field: string }>> = {
  jobname: { value: (mark) => mark, field: 'JOBNAME' },
  proplist: { value: (mark) => `VOVGW_MARK=${mark}`, field: 'PROP.VOVGW_MARK' },
};

/** A mark in a job: letters and digits only, so that no query can misread it. */
export interface Mark {
  readonly marker: Marker;
  readonly text: string;
}

/** Whether a body can carry a mark: a JSON object in which nobody has set the field, by whatever spelling vovserver takes for it. */
export function takesMark(marker: Marker, body: Buffer): boolean {
  const members = readMembers(body);
  return members !== null && !Object.keys(members).some((name) => foldField(name) === marker);
}

/** A mark that nobody can guess; null when the body cannot carry one. */
export function createMark(
  marker: Config['jobs']['marker'],
  body: Buffer,
  random: (bytes: number) => Buffer,
): Mark | null {
  if (marker === 'none' || !takesMark(marker, body)) return null;
  return { marker, text: `vovgw${random(16).toString('hex')}` };
}

/** The body with the mark as its first member; all else stays byte for byte as the caller wrote it. */
export function putMark(body: Buffer, { marker, text }: Mark): Buffer {
  const open = body.indexOf('{') + 1;
  const empty = Object.keys(readMembers(body) ?? {}).length === 0;
  const member = `${JSON.stringify(marker)}:${JSON.stringify(CARRIERS[marker].value(text))}${empty ? '' : ','}`;
  return Buffer.concat([body.subarray(0, open), Buffer.from(member), body.subarray(open)]);
}

/** The field of a job in which a query finds the mark. */
export const markField = ({ marker }: Mark): string => CARRIERS[marker].field;
