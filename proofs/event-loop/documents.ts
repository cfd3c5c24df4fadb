/** A SAML response that is to cost as much as it can, made from a genuine one. */
export interface Document {
  readonly name: string;
  /** `before`: changed and then signed, so that it is genuine; `after`: whatever was signed is changed. */
  readonly at: 'before' | 'after';
  make(genuine: string): string;
  /** Encrypt the assertion. */
  readonly encrypt?: boolean;
}

/** What a message may hold, with room for what signing adds. */
const ROOM = 128 * 1024;
const SIGNED = ROOM - 16 * 1024;

const times = (count: number, text: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => text(at)).join('');

/** Puts text before the end of the attributes. */
const withAttributes = (xml: string, text: string): string =>
  xml.replace('</saml:AttributeStatement>', () => `${text}</saml:AttributeStatement>`);
const oneAttribute = (value: string): string =>
  `<saml:Attribute Name="filler"><saml:AttributeValue>${value}</saml:AttributeValue></saml:Attribute>`;
const inStatus = (xml: string, text: string): string => xml.replace('<samlp:Status>', () => `${text}<samlp:Status>`);
/** As many repetitions of `unit` as fit beside `xml`. */
const fill = (xml: string, unit: string, room = ROOM): string =>
  unit.repeat(Math.max(0, Math.floor((room - xml.length - 200) / unit.length)));

const before = (name: string, make: Document['make'], encrypt = false): Document => ({
  name,
  at: 'before',
  make,
  encrypt,
});
const after = (name: string, make: Document['make']): Document => ({ name, at: 'after', make });

const nested = (depth: number): string => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`;
const spaces = (from: number, count: number): string =>
  times(count, (at) => ` xmlns:n${from + at}="urn:n${from + at}"`);
/** Elements in one another, each with namespaces of its own, which canonical XML must look at on every level. */
const namespaces = (depth: number, each: number): string =>
  `${times(depth, (at) => `<saml:X${spaces(at * each, each)} n${at * each}:y="z">`)}${'</saml:X>'.repeat(depth)}`;

const SIGNATURE = /<ds:Signature[ >][\s\S]*?<\/ds:Signature>/;
const signatureOf = (xml: string): string => SIGNATURE.exec(xml)?.[0] ?? '';
const partOf = (xml: string, name: string): string =>
  new RegExp(`<ds:${name}[ >][\\s\\S]*?</ds:${name}>|<ds:${name}[^>]*/>`).exec(xml)?.[0] ?? '';
/** Repeats a part of the first signature as often as it fits. */
const repeated = (xml: string, name: string): string => {
  const part = partOf(xml, name);
  return xml.replace(part, () => part + fill(xml, part));
};

const ENTITIES = `<!DOCTYPE a [<!ENTITY e0 "eeeeeeeeee">${times(12, (at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`)}]>`;
const QUADRATIC = `<!DOCTYPE a [<!ENTITY q "${'q'.repeat(60_000)}">]>`;

const wide = (xml: string, count: number): string =>
  withAttributes(
    xml,
    times(
      count,
      (at) => `<saml:Attribute Name="a${at}"><saml:AttributeValue>value ${at}</saml:AttributeValue></saml:Attribute>`,
    ),
  );
const encryptedKey = (xml: string): string => /<(\w+:)?EncryptedKey[ >][\s\S]*?<\/\1EncryptedKey>/.exec(xml)?.[0] ?? '';

/** What is sent; names say what is large in it. */
export const DOCUMENTS: readonly Document[] = [
  before('genuine', (xml) => xml),
  before('genuine, encrypted', (xml) => xml, true),
  before('genuine with 450 attributes', (xml) => wide(xml, 450)),
  before('genuine with 450 attributes, encrypted', (xml) => wide(xml, 450), true),
  before('genuine with 1 attribute of 900 values', (xml) =>
    withAttributes(
      xml,
      `<saml:Attribute Name="groups2">${times(900, (at) => `<saml:AttributeValue>CN=group-${at},OU=Groups,DC=example,DC=com</saml:AttributeValue>`)}</saml:Attribute>`,
    ),
  ),
  before('genuine with a value of 100 KB', (xml) => withAttributes(xml, oneAttribute(fill(xml, 'v', SIGNED)))),
  before('genuine with a value of character references', (xml) =>
    withAttributes(xml, oneAttribute(fill(xml, '&#x41;', SIGNED))),
  ),
  before('genuine with a value of &amp;', (xml) => withAttributes(xml, oneAttribute(fill(xml, '&amp;', SIGNED)))),
  before('genuine with a value of line ends', (xml) => withAttributes(xml, oneAttribute(fill(xml, '\n', SIGNED)))),
  before('genuine with 28 levels of 20 namespaces', (xml) => withAttributes(xml, oneAttribute(namespaces(22, 20)))),
  before('genuine with 160 siblings of 20 namespaces', (xml) =>
    withAttributes(xml, oneAttribute(times(150, (at) => namespaces(1, 20).replaceAll('saml:X', `saml:X${at}`)))),
  ),
  before('genuine with 3500 XML attributes', (xml) =>
    withAttributes(xml, oneAttribute(times(160, () => `<saml:X${times(20, (at) => ` a${at}="1"`)}/>`))),
  ),
  after('24 levels of 23 namespaces around 960 siblings with one', (xml) =>
    inStatus(
      xml,
      `${times(24, (depth) => `<a${times(23, (at) => ` xmlns:a${depth}-${at}="u"`)}>`)}${'<a xmlns:z="u"/>'.repeat(960)}${'</a>'.repeat(24)}`,
    ),
  ),
  after('60 namespaces around 960 siblings with one', (xml) =>
    inStatus(
      xml,
      `${times(3, (depth) => `<a${times(20, (at) => ` xmlns:a${depth}-${at}="u"`)}>`)}${'<a xmlns:z="u" z:b=""/>'.repeat(960)}${'</a>'.repeat(3)}`,
    ),
  ),
  after('1 000 levels deep', (xml) => inStatus(xml, nested(1000))),
  after('5 000 levels deep', (xml) => inStatus(xml, nested(5000))),
  after('17 000 levels deep', (xml) => inStatus(xml, nested(17_000))),
  after('20 000 levels deep, beyond 128 KB', (xml) => inStatus(xml, nested(20_000))),
  after('17 000 levels deep inside the signed assertion', (xml) => withAttributes(xml, nested(17_000))),
  after('17 000 levels deep, never closed', (xml) => inStatus(xml, '<a>'.repeat(30_000))),
  after('15 000 siblings', (xml) => inStatus(xml, fill(xml, '<a></a>'))),
  after('as many signatures as fit', (xml) => xml.replace(signatureOf(xml), (one) => one + fill(xml, one))),
  after('as many references as fit', (xml) => repeated(xml, 'Reference')),
  after('as many transforms as fit', (xml) => repeated(xml, 'Transform')),
  after('as many certificates as fit', (xml) => repeated(xml, 'X509Data')),
  after('as many SignedInfo as fit', (xml) => repeated(xml, 'SignedInfo')),
  after('a signature value of 100 KB', (xml) =>
    xml.replace('</ds:SignatureValue>', () => `${fill(xml, 'AAAA')}</ds:SignatureValue>`),
  ),
  after(
    'entities that expand tenfold twelve times',
    (xml) => `${ENTITIES}${xml.replace('<samlp:Status>', '<a>&e12;</a><samlp:Status>')}`,
  ),
  after(
    'a long entity used 10 000 times',
    (xml) => `${QUADRATIC}${xml.replace('<samlp:Status>', () => `<a>${'&q;'.repeat(10_000)}</a><samlp:Status>`)}`,
  ),
  after('references to entities that do not exist', (xml) => inStatus(xml, `<a>${fill(xml, '&x;')}</a>`)),
  after('& throughout', (xml) => inStatus(xml, `<a>${fill(xml, '&')}</a>`)),
  after('comments throughout', (xml) => inStatus(xml, fill(xml, '<!---->'))),
  after('CDATA throughout', (xml) => inStatus(xml, fill(xml, '<![CDATA[]]>'))),
  after('processing instructions throughout', (xml) => inStatus(xml, fill(xml, '<?a?>'))),
  after('an element with 10 000 attributes', (xml) => inStatus(xml, `<a${times(10_000, (at) => ` a${at}=""`)}/>`)),
  after('an attribute of 100 KB', (xml) => inStatus(xml, `<a b="${fill(xml, 'x')}"/>`)),
  after('a name of 100 KB', (xml) => inStatus(xml, `<${fill(xml, 'x')}/>`)),
  after('< throughout', () => '<'.repeat(ROOM)),
  after('blanks throughout', () => ' '.repeat(ROOM)),
  after('blanks between attributes', (xml) => inStatus(xml, `<a${fill(xml, ' ')}`)),
  after('zero bytes throughout', () => '\0'.repeat(ROOM)),
  after('a start tag that never ends', (xml) => `${xml.slice(0, 200)}${fill(xml, '<a b="')}`),
  after('4 000 ids', (xml) =>
    inStatus(
      xml,
      times(4000, (at) => `<a ID="i${at}"/>`),
    ),
  ),
  {
    ...after('as many encrypted keys as fit', (xml) => xml.replace(encryptedKey(xml), (one) => one + fill(xml, one))),
    encrypt: true,
  },
  {
    ...after('a cipher text of 100 KB', (xml) =>
      xml.replace(
        /(<\/(?:\w+:)?EncryptedKey>[\s\S]*<(?:\w+:)?CipherValue>)/,
        (start) => `${start}${fill(xml, 'AAAA')}`,
      ),
    ),
    encrypt: true,
  },
];
