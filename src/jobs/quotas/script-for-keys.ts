import type { Script } from '../../platform/index.ts';

/** A script has a fixed number of keys; of these there is one for each number of keys, as many as numbers of groups that quotas name. */
export function createScriptForKeys(name: string, lua: string, memory: Script['memory']): (keys: number) => Script {
  const known = new Map<number, Script>();
  return (keys) => {
    const script = known.get(keys) ?? { name: `${name}_${keys}`, keys, lua, memory };
    known.set(keys, script);
    return script;
  };
}
