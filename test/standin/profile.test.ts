import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeProfile, DEFAULT_PROFILE, PROFILE_CHOICES, readSwitch } from '../../standin/vovserver/profile.ts';

describe('the profile', () => {
  it('has each default among the choices of its switch', () => {
    for (const [key, choices] of Object.entries(PROFILE_CHOICES)) {
      assert.ok((choices as unknown[]).includes(DEFAULT_PROFILE[key as keyof typeof DEFAULT_PROFILE]), key);
    }
  });

  it('takes every choice of every switch, and nothing else', () => {
    for (const [key, choices] of Object.entries(PROFILE_CHOICES)) {
      for (const value of choices) {
        assert.equal(changeProfile(DEFAULT_PROFILE, { [key]: value })[key as keyof typeof DEFAULT_PROFILE], value);
      }
      assert.throws(() => changeProfile(DEFAULT_PROFILE, { [key]: 'nonsense' }), RangeError);
    }
  });

  it('keeps what is not changed', () => {
    assert.deepEqual(changeProfile(DEFAULT_PROFILE, {}), DEFAULT_PROFILE);
    assert.deepEqual(
      { ...changeProfile(DEFAULT_PROFILE, { slots: 2 }), slots: DEFAULT_PROFILE.slots },
      DEFAULT_PROFILE,
    );
  });

  for (const [text, change] of [
    ['slots=3', { slots: 3 }],
    ['expiresIn=true', { expiresIn: true }],
    ['expiresIn=false', { expiresIn: false }],
    ['tokenType=a=b', { tokenType: 'a=b' }],
    ['submitStatus=201', { submitStatus: 201 }],
    ['unknownField=400', { unknownField: '400' }],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(readSwitch(text), change));
  }

  for (const text of ['nonsense=1', 'slots', '=1', '']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => readSwitch(text), RangeError));
  }

  it('refuses a value of the wrong type', () => {
    for (const text of ['slots=x', 'slots=-1', 'expiresIn=yes']) {
      assert.throws(() => changeProfile(DEFAULT_PROFILE, readSwitch(text)), RangeError, text);
    }
  });
});
