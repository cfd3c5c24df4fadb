import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeBase64, decodeText, inflate, MESSAGE_BYTES } from '../../src/auth/saml/encoding.ts';
import { escapeXml } from '../../src/auth/saml/escape-xml.ts';
import { SamlFault } from '../../src/auth/saml/fault.ts';
import { countOf, KIND, MESSAGE_LIMITS, oneValue, readPosted, readRedirected } from '../../src/auth/saml/message.ts';
import { namespacesIn, parseXml } from '../../src/auth/saml/parse-xml.ts';

const LIMITS = { depth: 4, elements: 8, attributes: 6, attributesEach: 4, comments: false };

const refuses = (xml: string, reason: string, limits = LIMITS): void =>
  assert.throws(() => parseXml(xml, limits), { name: 'SamlFault', message: `xml: ${reason}` });

describe('the XML of a SAML message', () => {
  it('is read into elements with namespaces, attributes and text', () => {
    const root = parseXml(
      `<?xml version="1.0" encoding="UTF-8"?>\n<p:a xmlns:p="u" x="1&lt;2"> t<b xmlns="v" p:c='"'/>u </p:a>\n`,
      LIMITS,
    );
    assert.deepEqual([root.namespace, root.name, root.text], ['u', 'a', ' tu ']);
    assert.equal(root.attributes.get('x'), '1<2');
    const [child] = root.children;
    assert.deepEqual([child?.namespace, child?.name, child?.attributes.get('p:c')], ['v', 'b', '"']);
    assert.equal(child?.parent, root);
    assert.equal(root.children.length, 1);
  });

  it('holds nothing that SAML does not need', () => {
    const allowed = 'markup that is not allowed';
    refuses('<!DOCTYPE a><a/>', allowed);
    refuses('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', allowed);
    refuses('<a><!DOCTYPE b></a>', allowed);
    refuses('<a><!ENTITY b "c"></a>', allowed);
    refuses('<a><![CDATA[b]]></a>', allowed);
    refuses('<a>b]]></a>', allowed);
    refuses('<a><!-- b --></a>', allowed);
    refuses('<!-- b --><a/>', allowed);
    refuses('<a><?b c?></a>', allowed);
    refuses('<?b c?><a/>', allowed);
    refuses('<?xml version="1.0"?><?xml version="1.0"?><a/>', allowed);
    refuses('<?xml version="1.1"?><a/>', allowed);
    refuses('<?xml version="1.0" encoding="utf-16"?><a/>', allowed);
    refuses('<a>&b;</a>', 'an entity reference');
    refuses('<a b="&c;"/>', 'an entity reference');
    refuses('<a>&#0;</a>', 'a character reference to no character');
    refuses('<a>&#xD800;</a>', 'a character reference to no character');
    refuses('<a>&#x110000;</a>', 'a character reference to no character');
    refuses('<a>\u0000</a>', 'a character that is not allowed');
    refuses('<a>\u001b</a>', 'a character that is not allowed');
  });

  it('is one well-formed document', () => {
    refuses('', 'no root element');
    refuses('text', 'no root element');
    refuses('\ufeff<a/>', 'no root element');
    refuses('<a/><a/>', 'something after the root element');
    refuses('<a></a>text', 'something after the root element');
    refuses('<a/><!-- b -->', 'something after the root element');
    refuses('<a>', 'it ends too early');
    refuses('<a><b></a></b>', 'tags that do not match');
    refuses('<a></aa>', 'a malformed tag');
    refuses('<a b=c/>', 'a malformed tag');
    refuses('<a b/>', 'a malformed tag');
    refuses('<a b="1"c="2"/>', 'a malformed tag');
    refuses('<a b="<"/>', 'a malformed tag');
    refuses('< a/>', 'a malformed tag');
    refuses('<a', 'a malformed tag');
    refuses('<ä/>', 'a malformed tag');
    refuses('<b><a:b:c xmlns:a="u"/></b>', 'an undeclared namespace prefix');
  });

  it('names nothing twice', () => {
    refuses('<a b="1" b="2"/>', 'an attribute twice');
    refuses('<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>', 'an attribute twice');
    refuses('<a ID="x"><b ID="x"/></a>', 'an id twice');
    refuses('<a ID="x"><b Id="x"/></a>', 'an id twice');
    refuses('<a ID="x"><b xmlns:p="u" p:id="x"/></a>', 'an id twice');
    refuses('<a ID="x"><b ID="&#120;"/></a>', 'an id twice');
  });

  it('declares its prefixes', () => {
    refuses('<p:a/>', 'an undeclared namespace prefix');
    refuses('<a p:b="1"/>', 'an undeclared namespace prefix');
    refuses('<a><b xmlns:p="u"/><p:c/></a>', 'an undeclared namespace prefix');
    refuses('<a xmlns:p=""/>', 'a namespace declaration that is not allowed');
    refuses('<a xmlns:xml="u"/>', 'a namespace declaration that is not allowed');
    refuses('<a xmlns:xmlns="u"/>', 'a namespace declaration that is not allowed');
  });

  it('sees the nearest declaration of a prefix, and none of a sibling', () => {
    const root = parseXml(
      '<p:a xmlns:p="1" xmlns="d"><p:b xmlns:p="2"><p:c/><e xmlns=""/></p:b><p:f/><g/></p:a>',
      LIMITS,
    );
    const [b, f, g] = root.children;
    const [c, e] = b?.children ?? [];
    assert.deepEqual(
      [root, b, c, e, f, g].map((element) => element?.namespace),
      ['1', '2', '2', '', '1', 'd'],
    );
    assert.ok(c && f);
    assert.equal(namespacesIn(c.scope).get('p'), '2');
    assert.equal(namespacesIn(f.scope).get('p'), '1');
  });

  it('keeps scopes by reference: what declares nothing has the scope around it, and none is ever copied', () => {
    const root = parseXml('<a xmlns:p="1"><b/><c xmlns:q="2"><d/></c></a>', LIMITS);
    const [b, c] = root.children;
    assert.equal(b?.scope, root.scope);
    assert.equal(c?.scope.outer, root.scope);
    assert.deepEqual([...(c?.scope.declared ?? [])], [['q', '2']]);
    assert.equal(c?.children[0]?.scope, c?.scope);
  });

  it('has at most 64 namespace declarations in force at one place', () => {
    const limits = { depth: 8, elements: 4000, attributes: 4000, attributesEach: 100, comments: false };
    const spaces = (count: number, from = 0): string =>
      Array.from({ length: count }, (_, at) => ` xmlns:n${from + at}="u"`).join('');
    const reason = 'too many namespace declarations';
    assert.ok(parseXml(`<a${spaces(64)}><b/></a>`, limits));
    refuses(`<a${spaces(65)}/>`, reason, limits);
    refuses(`<a${spaces(64)}><b xmlns:z="u"/></a>`, reason, limits);
    // Those that hide another count too: they cost as much to look through.
    refuses(`<a${spaces(40)}><b${spaces(40)}/></a>`, reason, limits);
    assert.ok(parseXml(`<a>${`<b${spaces(40)}/>`.repeat(50)}</a>`, limits));
  });

  it('refuses the deep scopes that every sibling had to copy, at their 65th declaration', () => {
    const level = (at: number): string =>
      `<a${Array.from({ length: 23 }, (_, n) => ` xmlns:a${at}_${n}="u"`).join('')}>`;
    const xml = `${Array.from({ length: 30 }, (_, at) => level(at)).join('')}${'<a xmlns:z="u"/>'.repeat(1960)}${'</a>'.repeat(30)}`;
    refuses(xml, 'too many namespace declarations', MESSAGE_LIMITS);
  });

  it('stays within its limits, and the guard stops where one is passed', () => {
    refuses('<a><b><c><d><e></e></d></c></b></a>', 'nested too deep');
    refuses(`<a>${'<b/>'.repeat(8)}</a>`, 'too many elements');
    refuses('<a b="" c="" d="" e="" f=""/>', 'too many attributes');
    refuses('<a b="" c="" d=""><b b="" c="" d=""/><b b=""/></a>', 'too many attributes');
    // What follows the limit is not looked at: it would be another fault.
    refuses(`<a>${'<b/>'.repeat(8)}<!DOCTYPE`, 'too many elements');
    refuses(`${'<a>'.repeat(5)}&b;`, 'nested too deep');
  });

  it('may have comments where the limits allow them', () => {
    const limits = { ...LIMITS, comments: true };
    const root = parseXml('<!-- a --><a>b<!-- <c> -->d</a><!-- e -->', limits);
    assert.deepEqual([root.text, root.children.length], ['bd', 0]);
    refuses('<a><!-- b -- c --></a>', 'a malformed comment', limits);
    refuses('<a><!-- b', 'a malformed comment', limits);
    refuses('<a><!DOCTYPE b></a>', 'markup that is not allowed', limits);
  });

  it('gives every text back that was escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        if (/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/.test(text)) return;
        const root = parseXml(`<a b="${escapeXml(text)}">${escapeXml(text)}</a>`, LIMITS);
        assert.equal(root.text, text);
        assert.equal(root.attributes.get('b'), text);
      }),
    );
  });

  it('is read or refused, whatever it is', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      'b',
      ' ',
      '"',
      "'",
      '=',
      '&',
      ';',
      '#',
      '!',
      '-',
      '?',
      ':',
      'xmlns',
      '<a>',
      '</a>',
      '<a/>',
      'ID="1"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        try {
          assert.ok(parseXml(pieces.join(''), LIMITS).name.length > 0);
        } catch (error) {
          assert.ok(error instanceof SamlFault, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the encoding of a SAML message', () => {
  it('is canonical base64, with line breaks at most', () => {
    assert.equal(decodeBase64('YWJj\r\nZA==', 10).toString(), 'abcd');
    for (const text of [
      '',
      'YWJ',
      'YWJjZA=',
      'YWJjZB==',
      'YWJj ZA==',
      'YWJj-_==',
      'YW=j',
      '====',
      'YWJjZA==YWJj',
      '%3d',
    ])
      assert.throws(() => decodeBase64(text, 10), { message: 'message: no base64' });
  });

  it('round-trips every octet', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (octets) => {
        assert.deepEqual([...decodeBase64(Buffer.from(octets).toString('base64'), 1000)], [...octets]);
      }),
    );
  });

  it('is at most 128 KiB, before it is decoded', () => {
    const fits = Buffer.alloc(MESSAGE_BYTES, 'a').toString('base64');
    assert.equal(decodeBase64(fits, MESSAGE_BYTES).length, MESSAGE_BYTES);
    const large = { message: 'message: too large' };
    assert.throws(() => decodeBase64(Buffer.alloc(MESSAGE_BYTES + 1, 'a').toString('base64'), MESSAGE_BYTES), large);
    // Not base64 at all: its size is seen first.
    assert.throws(() => decodeBase64('%'.repeat(400_000), MESSAGE_BYTES), large);
    assert.throws(() => decodeBase64('\n'.repeat(400_000), MESSAGE_BYTES), large);
  });

  it('is UTF-8, and its lines end as XML wants', () => {
    assert.equal(decodeText(Buffer.from('ä\r\nb\rc\n')), 'ä\nb\nc\n');
    for (const octets of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xfe, 0xff, 0, 60]])
      assert.throws(() => decodeText(Buffer.from(octets)), { message: 'message: no UTF-8' });
  });

  it('inflates to at most the limit', async () => {
    assert.equal((await inflate(deflateRawSync('abc'), 3)).toString(), 'abc');
    const failed = { message: 'message: cannot be inflated' };
    await assert.rejects(inflate(deflateRawSync('abcd'), 3), failed);
    await assert.rejects(inflate(deflateRawSync(Buffer.alloc(50_000_000)), MESSAGE_BYTES), failed);
    await assert.rejects(inflate(Buffer.from('no deflate'), 100), failed);
  });
});

describe('a SAML message', () => {
  const ns = 'xmlns="urn:oasis:names:tc:SAML:2.0:protocol"';
  const base64 = (xml: string): string => Buffer.from(xml).toString('base64');

  it('has the root that is expected, in its namespace', async () => {
    assert.equal(readPosted(base64(`<Response ${ns}/>`), KIND.response).root.name, 'Response');
    assert.throws(() => readPosted(base64('<Response/>'), KIND.response), { message: 'message: no Response' });
    assert.throws(() => readPosted(base64(`<LogoutRequest ${ns}/>`), KIND.response), {
      message: 'message: no Response',
    });
    const deflated = deflateRawSync(`<LogoutRequest ${ns}/>`).toString('base64');
    assert.equal((await readRedirected(deflated, KIND.logoutRequest)).root.name, 'LogoutRequest');
  });

  it('holds no second message or assertion in any namespace', () => {
    for (const inside of ['<a><Response/></a>', '<Assertion/><a><Assertion xmlns="urn:other"/></a>'])
      assert.throws(() => readPosted(base64(`<Response ${ns}>${inside}</Response>`), KIND.response), /more than once/);
    const root = parseXml('<a><b/><c><b xmlns="u"/></c></a>', MESSAGE_LIMITS);
    assert.equal(countOf(root, 'b'), 2);
  });

  it('holds no more than its kind needs', async () => {
    const filled = (name: string, count: number, unit = '<a/>'): string =>
      `<${name} ${ns}>${unit.repeat(count)}</${name}>`;
    const many = { message: 'xml: too many elements' };
    assert.ok(readPosted(base64(filled('Response', 999)), KIND.response));
    assert.throws(() => readPosted(base64(filled('Response', 1000)), KIND.response), many);
    for (const kind of [KIND.logoutRequest, KIND.logoutResponse]) {
      assert.ok(readPosted(base64(filled(kind.name, 99)), kind));
      assert.throws(() => readPosted(base64(filled(kind.name, 100)), kind), many);
      const deflated = (xml: string): string => deflateRawSync(xml).toString('base64');
      await assert.rejects(readRedirected(deflated(filled(kind.name, 100)), kind), many);
      const long = filled(kind.name, 33, 'x'.repeat(1024));
      assert.throws(() => readPosted(base64(long), kind), { message: 'message: too large' });
      await assert.rejects(readRedirected(deflated(long), kind), { message: 'message: cannot be inflated' });
    }
  });

  it('comes in one field', () => {
    assert.equal(oneValue(new URLSearchParams('a=1'), 'a'), '1');
    assert.equal(oneValue(new URLSearchParams('a=1'), 'b'), null);
    assert.throws(() => oneValue(new URLSearchParams('a=1&a=1'), 'a'), { message: 'message: a twice' });
  });
});
