/** One tag of a page: its name and its attributes, values unescaped. */
export interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

const TAG = /<(\/?[a-zA-Z!][^\s>"'=]*)((?:\s+[^\s=>"'/]+(?:="[^"]*")?)*)\s*>/g;
const ATTRIBUTE = /([^\s=>"'/]+)(?:="([^"]*)")?/g;

/** The tags of a page in order. Every attribute of the portal is quoted, so that this small grammar is enough. */
export function tagsOf(page: string): Tag[] {
  return [...page.matchAll(TAG)].map(([, name = '', rest = '']) => ({
    name,
    attributes: new Map([...rest.matchAll(ATTRIBUTE)].map(([, key = '', value = '']) => [key, value])),
  }));
}

/** The skeleton of a page: tags and names of attributes. Text that breaks out of its place changes it. */
export function skeletonOf(page: string): string {
  return tagsOf(page)
    .map(({ name, attributes }) => `<${[name, ...attributes.keys()].join(' ')}>`)
    .join('\n');
}

/** What is left when tags are taken away; a stray bracket in it is text that was not escaped. */
export const textOf = (page: string): string => page.replace(TAG, '');

/** The forms of a page: the tag itself and the fields within. */
export function formsOf(page: string): { readonly form: Tag; readonly fields: readonly Tag[] }[] {
  const forms: { form: Tag; fields: Tag[] }[] = [];
  let open: Tag[] | null = null;
  for (const tag of tagsOf(page)) {
    if (tag.name === 'form') {
      open = [];
      forms.push({ form: tag, fields: open });
    } else if (tag.name === '/form') open = null;
    else if (['input', 'select', 'button', 'textarea'].includes(tag.name)) open?.push(tag);
  }
  return forms;
}

/** The value of the first hidden or visible field of this name. */
export function fieldValue(page: string, field: string): string | undefined {
  return tagsOf(page)
    .find(({ name, attributes }) => name === 'input' && attributes.get('name') === field)
    ?.attributes.get('value');
}
