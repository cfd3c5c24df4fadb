/**
 * The four metadata functions of Reflect that @peculiar/x509's container (tsyringe) looks for at import. Only what it
 * calls is here; import this file before @peculiar/x509.
 */
type Key = string | symbol;

const table = new WeakMap<object, Map<Key, unknown>>();

const own = (key: Key, target: object): unknown => table.get(target)?.get(key);

function inherited(key: Key, target: object | null): unknown {
  for (let object = target; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    const value = own(key, object);
    if (value !== undefined) return value;
  }
  return undefined;
}

function define(key: Key, value: unknown, target: object): void {
  const entries = table.get(target) ?? new Map<Key, unknown>();
  entries.set(key, value);
  table.set(target, entries);
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, {
    defineMetadata: define,
    getMetadata: inherited,
    getOwnMetadata: own,
    metadata: (key: Key, value: unknown) => (target: object) => define(key, value, target),
  });
}
