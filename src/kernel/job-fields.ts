/** Short forms that vovserver takes for fields of a job (PATCH, "Restrictions and Consequences"). */
const SHORT: Readonly<Record<string, string>> = { cmd: 'command', dir: 'rundir', res: 'resources' };

/**
 * What vovserver might take a field's name for: without case and all that is neither letter, digit nor comma (blanks and
 * underscores: "Node Fields"; a dash: an option of `nc run`), a short form as the long one. Two names that fold alike may be
 * one field.
 */
export function foldField(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9,]/g, '');
  return Object.hasOwn(SHORT, folded) ? (SHORT[folded] ?? folded) : folded;
}

/** True for one of the short forms, spelled exactly. */
export const isShortForm = (name: string): boolean => Object.hasOwn(SHORT, name);

/** Whether an absolute path is the folder or lies below it. */
export function isBelow(path: string, folder: string): boolean {
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  return path === base.slice(0, -1) || path.startsWith(base);
}
