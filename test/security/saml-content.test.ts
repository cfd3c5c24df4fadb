import assert from 'node:assert/strict';
import { type Attack, describeAttacks } from './saml/attack.ts';
import { ALICE, CAROL } from './saml/forgery.ts';
import { createStage } from './saml/genuine.ts';
import { signAnew } from './saml/signing.ts';

/** What the provider itself says, signed in full: the content alone is wrong. */
const says = (
  name: string,
  change: (xml: string) => string,
  reason: RegExp,
  code: NonNullable<Attack['code']> = 'GW_SIGN_IN_FAILED',
): Attack => ({
  name,
  code,
  reason,
  forge(xml, stage) {
    const changed = change(xml);
    assert.notEqual(changed, xml, 'the change found nothing to change');
    return signAnew(changed, { key: stage.idp.signingKey() });
  },
});

const DENIED = 'GW_SIGN_IN_DENIED';
const MINUTE = 60_000;
const at = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Sets an attribute of the first element of this name. */
const set = (element: string, attribute: string, value: string | null) => (xml: string) =>
  xml.replace(
    new RegExp(`(<${element}\\b[^>]*?)(?: ${attribute}="[^"]*")`),
    value === null ? '$1' : `$1 ${attribute}="${value}"`,
  );

const acsOf = (xml: string): string => /Destination="([^"]+)"/.exec(xml)?.[1] ?? '';

const status: readonly Attack[] = [
  says(
    'a failed status with an assertion',
    set('samlp:StatusCode', 'Value', 'urn:oasis:names:tc:SAML:2.0:status:Responder'),
    /the provider says no: Responder$/,
  ),
  says(
    'success with a failure inside',
    (xml) =>
      xml.replace(
        /<samlp:StatusCode Value="([^"]+)"\/>/,
        '<samlp:StatusCode Value="$1"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode>',
      ),
    /the provider says no: Success, AuthnFailed$/,
  ),
  says('no Status', (xml) => xml.replace(/<samlp:Status>.*<\/samlp:Status>/s, ''), /no Status in Response$/),
  says(
    'a failure and a success',
    (xml) =>
      xml.replace(
        '<samlp:Status>',
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/></samlp:Status><samlp:Status>',
      ),
    /Status twice in Response$/,
  ),
];

const addresses: readonly Attack[] = [
  says('another Destination', set('samlp:Response', 'Destination', 'https://other.test/acs'), /another Destination$/),
  says('no Destination', set('samlp:Response', 'Destination', null), /no Destination on Response$/),
  says(
    'a Destination that begins with ours',
    (xml) => set('samlp:Response', 'Destination', `${acsOf(xml)}.other.test`)(xml),
    /another Destination$/,
  ),
  says(
    'a Destination that another letter case makes ours',
    (xml) => set('samlp:Response', 'Destination', acsOf(xml).replace('/acs', '/ACS'))(xml),
    /another Destination$/,
  ),
  says(
    'another Recipient',
    set('saml:SubjectConfirmationData', 'Recipient', 'https://other.test/acs'),
    /for another Recipient$/,
  ),
  says('no Recipient', set('saml:SubjectConfirmationData', 'Recipient', null), /no Recipient on/),
  says(
    'an assertion for another service provider',
    (xml) => xml.replace(/<saml:Audience>[^<]*/, '<saml:Audience>https://other.test/metadata'),
    /for another Audience$/,
  ),
  says(
    'an Audience that begins with ours',
    (xml) => xml.replace('</saml:Audience>', '.other.test</saml:Audience>'),
    /for another Audience$/,
  ),
  says(
    'an Audience with a space before it',
    (xml) => xml.replace('<saml:Audience>', '<saml:Audience> '),
    /for another Audience$/,
  ),
  says(
    'our Audience and another’s restriction',
    (xml) =>
      xml.replace(
        '</saml:AudienceRestriction>',
        '</saml:AudienceRestriction><saml:AudienceRestriction><saml:Audience>https://other.test</saml:Audience></saml:AudienceRestriction>',
      ),
    /AudienceRestriction twice/,
  ),
  says(
    'no AudienceRestriction',
    (xml) => xml.replace(/<saml:AudienceRestriction>.*<\/saml:AudienceRestriction>/s, ''),
    /no AudienceRestriction in Conditions$/,
  ),
  says(
    'no Conditions',
    (xml) => xml.replace(/<saml:Conditions.*<\/saml:Conditions>/s, ''),
    /no Conditions in Assertion$/,
  ),
  says(
    'a condition that nobody knows',
    (xml) => xml.replace('</saml:Conditions>', '<saml:Condition/></saml:Conditions>'),
    /a condition that is not known$/,
  ),
  says(
    'another Issuer of the response',
    (xml) => xml.replace(/(<saml:Issuer>)[^<]*/, '$1https://other.test/idp'),
    /Response has another Issuer$/,
  ),
  says(
    'another Issuer of the assertion',
    (xml) => xml.replace(/(<saml:Assertion.*?<saml:Issuer>)[^<]*/s, '$1https://other.test/idp'),
    /Assertion has another Issuer$|node-saml refused it$/,
  ),
  says(
    'an Issuer with a space behind it',
    (xml) => xml.replace('</saml:Issuer>', ' </saml:Issuer>'),
    /Response has another Issuer$/,
  ),
  says(
    'another version',
    set('saml:Assertion', 'Version', '1.1'),
    /Assertion has another Version$|node-saml refused it$/,
  ),
];

const times: readonly Attack[] = [
  says(
    'an assertion that has ended',
    (xml) =>
      set(
        'saml:Conditions',
        'NotOnOrAfter',
        at(-2 * MINUTE),
      )(set('saml:Conditions', 'NotBefore', at(-3 * MINUTE))(xml)),
    /Conditions no longer valid$|node-saml refused it$/,
  ),
  says(
    'an assertion that is not valid yet',
    set('saml:Conditions', 'NotBefore', at(3 * MINUTE)),
    /Conditions not valid yet$|node-saml refused it$/,
  ),
  says(
    'a confirmation that has ended',
    set('saml:SubjectConfirmationData', 'NotOnOrAfter', at(-2 * MINUTE)),
    /SubjectConfirmationData no longer valid$|node-saml refused it$/,
  ),
  says(
    'a confirmation without an end',
    set('saml:SubjectConfirmationData', 'NotOnOrAfter', null),
    /no NotOnOrAfter on SubjectConfirmationData$|node-saml refused it$/,
  ),
  says(
    'a response of the future',
    set('samlp:Response', 'IssueInstant', at(5 * MINUTE)),
    /Response was issued in the future$/,
  ),
  says(
    'a response of long ago',
    set('samlp:Response', 'IssueInstant', at(-60 * MINUTE)),
    /Response was issued too long ago$/,
  ),
  says(
    'an assertion of long ago in a response of today',
    set('saml:Assertion', 'IssueInstant', at(-60 * MINUTE)),
    /Assertion was issued too long ago$|node-saml refused it$/,
  ),
  says('a time that is none', set('saml:Conditions', 'NotOnOrAfter', 'tomorrow'), /is no time$|node-saml refused it$/),
  says(
    'a session that has ended',
    (xml) => xml.replace('<saml:AuthnStatement', `<saml:AuthnStatement SessionNotOnOrAfter="${at(-2 * MINUTE)}"`),
    /the session has ended$/,
  ),
  says(
    'an authentication in the future',
    set('saml:AuthnStatement', 'AuthnInstant', at(5 * MINUTE)),
    /authenticated in the future$/,
  ),
];

const confirmation: readonly Attack[] = [
  says(
    'holder of key in place of bearer',
    set('saml:SubjectConfirmation', 'Method', 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key'),
    /another SubjectConfirmation than bearer$|node-saml refused it$/,
  ),
  says(
    'no SubjectConfirmation',
    (xml) => xml.replace(/<saml:SubjectConfirmation .*<\/saml:SubjectConfirmation>/s, ''),
    /no SubjectConfirmation in Subject$|node-saml refused it$/,
  ),
  says(
    'two SubjectConfirmations, the second for another request',
    (xml) =>
      xml.replace(
        /<saml:SubjectConfirmation .*<\/saml:SubjectConfirmation>/s,
        (one) => `${one}${one.replace(/InResponseTo="[^"]*"/, 'InResponseTo="_other"')}`,
      ),
    /SubjectConfirmation twice in Subject$|node-saml refused it$/,
  ),
  says(
    'the answer to another request',
    (xml) => xml.replaceAll(/InResponseTo="[^"]*"/g, 'InResponseTo="_other"'),
    /Response has another InResponseTo$/,
  ),
  says(
    'a confirmation of another request',
    set('saml:SubjectConfirmationData', 'InResponseTo', '_other'),
    /SubjectConfirmationData has another InResponseTo$|node-saml refused it$/,
  ),
  says(
    'a response that claims nobody asked, for a browser that did',
    (xml) => xml.replaceAll(/ InResponseTo="[^"]*"/g, ''),
    /Response has another InResponseTo$/,
  ),
  says(
    'no AuthnStatement',
    (xml) => xml.replace(/<saml:AuthnStatement.*<\/saml:AuthnStatement>/s, ''),
    /no AuthnStatement/,
  ),
];

const nameId = (name: string, value: string, reason: RegExp, code?: Attack['code']): Attack =>
  says(name, (xml) => xml.replace(`>${CAROL}<`, `>${value}<`), reason, code);

const NAME_ID = /NameID is empty, too long, or has spaces around it or control characters$/;

const names: readonly Attack[] = [
  nameId('a NameID with NUL', `${ALICE}&#0;`, /a character that is not allowed$/),
  {
    name: 'a NameID with a reference to NUL',
    forge: (xml) => xml.replace(`>${CAROL}<`, `>${ALICE}&#0;<`),
    reason: /a character reference to no character$/,
  },
  nameId('a NameID with a space behind it', `${ALICE} `, NAME_ID),
  nameId('a NameID with a space before it', ` ${ALICE}`, NAME_ID),
  nameId('a NameID with a no-break space behind it', `${ALICE}\u00a0`, NAME_ID),
  nameId('a NameID with a line break', `${ALICE}&#10;x`, NAME_ID),
  nameId('a NameID with a carriage return', `${ALICE}&#13;`, NAME_ID),
  nameId('an empty NameID', '', NAME_ID),
  nameId('a NameID of 10 KB', 'a'.repeat(10_240), NAME_ID),
  nameId('a NameID of 300 characters', 'a'.repeat(300), /NameID is longer than 256 characters$/, DENIED),
  nameId('a NameID with a look-alike letter', ALICE.replace('p', 'р'), /other than printable ASCII/, DENIED),
  nameId('a NameID in full-width letters', 'ｐ-7f3a91c2', /other than printable ASCII/, DENIED),
  nameId('a NameID with an invisible character', `${ALICE}\u200b`, /control or invisible character/, DENIED),
  nameId('a NameID that turns the text around', `\u202e${ALICE}`, /control or invisible character/, DENIED),
  says(
    'two NameIDs',
    (xml) => xml.replace(/<saml:NameID[^>]*>[^<]*<\/saml:NameID>/, (one) => `${one}${one.replace(CAROL, ALICE)}`),
    /NameID twice in Subject$|node-saml refused it$/,
  ),
  says(
    'no NameID',
    (xml) => xml.replace(/<saml:NameID[^>]*>[^<]*<\/saml:NameID>/, ''),
    /attribute NameID is missing$/,
    DENIED,
  ),
  says(
    'an EncryptedID beside the NameID',
    (xml) => xml.replace('<saml:Subject>', '<saml:Subject><saml:EncryptedID/>'),
    /an encrypted NameID$|node-saml refused it$/,
  ),
  says(
    'two Subjects',
    (xml) => xml.replace(/<saml:Subject>.*<\/saml:Subject>/s, (one) => `${one.replace(CAROL, ALICE)}${one}`),
    /Subject twice in Assertion$|node-saml refused it$/,
  ),
];

const uid = (
  name: string,
  values: readonly string[],
  reason: RegExp,
  code: NonNullable<Attack['code']> = DENIED,
): Attack =>
  says(
    name,
    (xml) =>
      xml.replace(
        '<saml:AttributeValue>carol</saml:AttributeValue>',
        values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join(''),
      ),
    reason,
    code,
  );

const accounts: readonly Attack[] = [
  uid('a user name with two values', ['carol', 'alice'], /uid has 2 values, not exactly one$/),
  uid('the same user name twice', ['carol', 'carol'], /uid has 2 values, not exactly one$/),
  uid('no user name', [], /uid is missing$/),
  uid('an empty user name', [''], /uid is empty$/),
  uid('a user name with several @', ['alice@corp@evil'], /holds more than one @$/),
  uid('a user name with a space behind it', ['alice '], /begins or ends with a space$/),
  uid('a user name with a look-alike letter', ['аlice'], /user of attribute uid/),
  uid('a user name with a slash', ['../alice'], /user of attribute uid/),
  uid('a user name of 10 KB', ['a'.repeat(10_240)], /longer than 256 characters$/),
  uid('a user name with a control character', ['alice&#9;x'], /control or invisible character$/),
  uid('a user name with NUL', ['alice&#0;'], /a character that is not allowed$/, 'GW_SIGN_IN_FAILED'),
  uid('a user name made of elements', ['<x>alice</x>'], /uid is missing$/),
  says(
    'the user name once more in a second attribute of that name',
    (xml) =>
      xml.replace(
        '</saml:AttributeStatement>',
        '<saml:Attribute Name="uid"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>',
      ),
    /uid has 2 values, not exactly one$/,
    DENIED,
  ),
  says(
    'the user name once more in a second statement',
    (xml) =>
      xml.replace(
        '</saml:Assertion>',
        '<saml:AttributeStatement><saml:Attribute Name="uid"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>',
      ),
    /uid has 2 values, not exactly one$|AttributeStatement twice/,
    DENIED,
  ),
  says(
    'no user name, but an attribute that calls itself so as a friend',
    (xml) =>
      xml
        .replace('Name="uid"', 'Name="other"')
        .replace('Name="mail"', 'Name="mail" FriendlyName="uid"')
        .replace('carol@example.com', 'alice@corp@evil'),
    /holds more than one @$/,
    DENIED,
  ),
];

const carol = { stage: createStage, person: 'carol' };
describeAttacks('SAML status', status, carol);
describeAttacks('SAML addresses: Destination, Recipient, Audience, Issuer', addresses, carol);
describeAttacks('SAML times', times, carol);
describeAttacks('SAML subject confirmation and InResponseTo', confirmation, carol);
describeAttacks('SAML NameIDs', names, carol);
describeAttacks('SAML user names', accounts, carol);
