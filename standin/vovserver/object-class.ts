import type { Cell } from './selection-evaluate.ts';

/** A kind of object that can be read: its fields by their upper-case names. */
export interface ObjectClass<T> {
  readonly name: string;
  readonly fields: readonly Field<T>[];
  field(name: string): Field<T> | undefined;
}

export interface Field<T> {
  readonly name: string;
  readonly read: (item: T) => Cell;
}

/** Names of fields are compared without case and underscores (H-FIELDS, H-SEL). */
export const foldName = (name: string): string => name.toLowerCase().replaceAll('_', '');

/** Makes an object class of its readers, in the order in which `*` shows them. */
export function createObjectClass<T>(
  name: string,
  readers: Readonly<Record<string, (item: T) => Cell>>,
): ObjectClass<T> {
  const fields = Object.entries(readers).map(([field, read]) => ({ name: field, read }));
  const byName = new Map(fields.map((field) => [foldName(field.name), field]));
  return { name, fields, field: (wanted) => byName.get(foldName(wanted)) };
}
