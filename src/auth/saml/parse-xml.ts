import { SamlFault } from './fault.ts';

/** Namespace declarations of one element, and those around it. Elements without any share the scope of their parent. */
export interface Scope {
  /** By prefix; the empty prefix is the default namespace. */
  readonly declared: ReadonlyMap<string, string>;
  readonly outer: Scope | null;
  /** Declarations in force, those that an inner one hides among them. */
  readonly size: number;
}

/** An element of a document that {@link parseXml} accepted. */
export interface XmlElement {
  /** Namespace URI; empty for none. */
  readonly namespace: string;
  /** Local name. */
  readonly name: string;
  /** By name as written, without namespace declarations. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** The element's own text, without that of its children. */
  readonly text: string;
  readonly parent: XmlElement | null;
  /** Namespaces in force. */
  readonly scope: Scope;
  /** Where the element stands in the source. */
  readonly start: number;
  readonly end: number;
}

/** How much a document may hold. */
export interface XmlLimits {
  readonly depth: number;
  readonly elements: number;
  /** Attributes of the whole document, namespace declarations among them. */
  readonly attributes: number;
  readonly attributesEach: number;
  readonly comments: boolean;
}

type Open = { -readonly [K in keyof XmlElement]: XmlElement[K] } & {
  attributes: Map<string, string>;
  children: XmlElement[];
  readonly tag: string;
};

interface Reader {
  readonly source: string;
  readonly limits: XmlLimits;
  readonly ids: Set<string>;
  at: number;
  elements: number;
  attributes: number;
}

const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
const OUTERMOST: Scope = { declared: new Map([['xml', XML_NAMESPACE]]), outer: null, size: 0 };
const DECLARATION =
  /^<\?xml[ \t\n]+version=(["'])1\.0\1(?:[ \t\n]+encoding=(["'])utf-8\2)?(?:[ \t\n]+standalone=(["'])(?:yes|no)\3)?[ \t\n]*\?>/i;
const SPACE = /[ \t\n]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_.-]*(?::[A-Za-z_][A-Za-z0-9_.-]*)?/y;
const VALUE = /[ \t\n]*=[ \t\n]*(?:"([^"<]*)"|'([^'<]*)')/y;
const TEXT = /[^<]+/y;
const REFERENCE = /&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));|&/g;
const NOT_XML = /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function take(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.source);
  if (found !== null) reader.at = pattern.lastIndex;
  return found;
}

function fromCodePoint(code: number): string {
  const allowed = code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff);
  if (allowed || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x1_0000 && code <= 0x10_ffff))
    return String.fromCodePoint(code);
  throw new SamlFault('xml: a character reference to no character');
}

function resolve(raw: string): string {
  if (!raw.includes('&')) return raw;
  return raw.replace(REFERENCE, (_, name?: string, decimal?: string, hex?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? '';
    if (decimal !== undefined) return fromCodePoint(Number.parseInt(decimal, 10));
    if (hex !== undefined) return fromCodePoint(Number.parseInt(hex, 16));
    throw new SamlFault('xml: an entity reference');
  });
}

function readAttributes(reader: Reader): Map<string, string> {
  const attributes = new Map<string, string>();
  for (;;) {
    const before = reader.at;
    take(reader, SPACE);
    const name = take(reader, NAME)?.[0];
    if (name === undefined) return attributes;
    const value = take(reader, VALUE);
    if (value === null || !/[ \t\n]/.test(reader.source[before] ?? '')) throw new SamlFault('xml: a malformed tag');
    if (attributes.has(name)) throw new SamlFault('xml: an attribute twice');
    reader.attributes += 1;
    attributes.set(name, resolve((value[1] ?? value[2] ?? '').replace(/[\t\n]/g, ' ')));
    if (attributes.size > reader.limits.attributesEach || reader.attributes > reader.limits.attributes)
      throw new SamlFault('xml: too many attributes');
  }
}

/** Of one place of a document: each costs a look at every prefix, and canonical XML more. Genuine ones have a dozen. */
const MOST_DECLARED = 64;

/** Takes the namespace declarations out of `attributes` and gives the scope that they make. */
function scopeOf(attributes: Map<string, string>, outer: Scope): Scope {
  const declared = new Map<string, string>();
  for (const [name, value] of attributes) {
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
    const prefix = name.slice('xmlns:'.length);
    if (prefix === 'xml' || prefix === 'xmlns' || (prefix !== '' && value === ''))
      throw new SamlFault('xml: a namespace declaration that is not allowed');
    declared.set(prefix, value);
    attributes.delete(name);
  }
  if (declared.size === 0) return outer;
  const size = outer.size + declared.size;
  if (size > MOST_DECLARED) throw new SamlFault('xml: too many namespace declarations');
  return { declared, outer, size };
}

function namespaceOf(prefix: string, scope: Scope): string {
  for (let at: Scope | null = scope; at !== null; at = at.outer) {
    const namespace = at.declared.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  if (prefix !== '') throw new SamlFault('xml: an undeclared namespace prefix');
  return '';
}

/** All namespaces in force, by prefix. */
export function namespacesIn(scope: Scope | null): Map<string, string> {
  return scope === null ? new Map() : new Map([...namespacesIn(scope.outer), ...scope.declared]);
}

/** Also refuses one attribute under two prefixes of one namespace, and one id twice in the document. */
function checkAttributes(reader: Reader, attributes: ReadonlyMap<string, string>, scope: Scope) {
  const seen = new Set<string>();
  for (const [name, value] of attributes) {
    const colon = name.indexOf(':');
    const local = name.slice(colon + 1);
    if (colon > 0) {
      const expanded = `${namespaceOf(name.slice(0, colon), scope)} ${local}`;
      if (seen.has(expanded)) throw new SamlFault('xml: an attribute twice');
      seen.add(expanded);
    }
    if (local.toLowerCase() !== 'id') continue;
    if (reader.ids.has(value)) throw new SamlFault('xml: an id twice');
    reader.ids.add(value);
  }
}

function openElement(reader: Reader, parent: Open | null, outer: Scope): Open {
  const start = reader.at;
  reader.at += 1;
  const tag = take(reader, NAME)?.[0];
  reader.elements += 1;
  if (tag === undefined) throw new SamlFault('xml: a malformed tag');
  if (reader.elements > reader.limits.elements) throw new SamlFault('xml: too many elements');
  const attributes = readAttributes(reader);
  const scope = scopeOf(attributes, outer);
  checkAttributes(reader, attributes, scope);
  const colon = tag.indexOf(':');
  return {
    tag,
    namespace: namespaceOf(tag.slice(0, Math.max(0, colon)), scope),
    name: tag.slice(colon + 1),
    attributes,
    children: [],
    text: '',
    parent,
    scope,
    start,
    end: start,
  };
}

/** `<!` and `<?`: refused, but for comments where the limits allow them. */
function skipMarkup(reader: Reader): void {
  const { source, at, limits } = reader;
  if (!limits.comments || !source.startsWith('<!--', at)) throw new SamlFault('xml: markup that is not allowed');
  const end = source.indexOf('--', at + 4);
  if (end < 0 || source[end + 2] !== '>') throw new SamlFault('xml: a malformed comment');
  reader.at = end + 3;
}

const isMarkup = (reader: Reader): boolean =>
  reader.source.startsWith('<!', reader.at) || reader.source.startsWith('<?', reader.at);

function close(reader: Reader, element: Open): void {
  const { source, at } = reader;
  if (!source.startsWith(`</${element.tag}`, at)) throw new SamlFault('xml: tags that do not match');
  reader.at = at + 2 + element.tag.length;
  take(reader, SPACE);
  if (source[reader.at] !== '>') throw new SamlFault('xml: a malformed tag');
  reader.at += 1;
  element.end = reader.at;
}

/** The end of a start tag; true when the element is empty. */
function endOfTag(reader: Reader, element: Open): boolean {
  const empty = reader.source.startsWith('/>', reader.at);
  if (!empty && reader.source[reader.at] !== '>') throw new SamlFault('xml: a malformed tag');
  reader.at += empty ? 2 : 1;
  element.end = reader.at;
  return empty;
}

function readText(reader: Reader, element: Open): void {
  const raw = take(reader, TEXT)?.[0];
  if (raw === undefined) throw new SamlFault('xml: it ends too early');
  if (raw.includes(']]>')) throw new SamlFault('xml: markup that is not allowed');
  element.text += resolve(raw);
}

function readTree(reader: Reader): XmlElement {
  const root = openElement(reader, null, OUTERMOST);
  const stack: Open[] = endOfTag(reader, root) ? [] : [root];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (reader.source[reader.at] !== '<') readText(reader, top);
    else if (reader.source[reader.at + 1] === '/') {
      close(reader, top);
      stack.pop();
    } else if (isMarkup(reader)) skipMarkup(reader);
    else {
      const child = openElement(reader, top, top.scope);
      top.children.push(child);
      if (!endOfTag(reader, child)) stack.push(child);
      if (stack.length > reader.limits.depth) throw new SamlFault('xml: nested too deep');
    }
  }
  return root;
}

function skipOutside(reader: Reader): void {
  take(reader, SPACE);
  while (reader.limits.comments && reader.source.startsWith('<!--', reader.at)) {
    skipMarkup(reader);
    take(reader, SPACE);
  }
}

/**
 * Reads a document in one linear pass and gives its root. What SAML does not need is refused: document types, entities,
 * processing instructions, CDATA, comments (unless the limits allow them), names beyond ASCII, several roots, an id twice.
 * Lines must end with LF. Throws {@link SamlFault}.
 */
export function parseXml(source: string, limits: XmlLimits): XmlElement {
  if (NOT_XML.test(source)) throw new SamlFault('xml: a character that is not allowed');
  const reader: Reader = { source, limits, ids: new Set(), at: 0, elements: 0, attributes: 0 };
  reader.at = DECLARATION.exec(source)?.[0].length ?? 0;
  skipOutside(reader);
  if (source[reader.at] !== '<') throw new SamlFault('xml: no root element');
  if (isMarkup(reader)) throw new SamlFault('xml: markup that is not allowed');
  const root = readTree(reader);
  skipOutside(reader);
  if (reader.at !== source.length) throw new SamlFault('xml: something after the root element');
  return root;
}
