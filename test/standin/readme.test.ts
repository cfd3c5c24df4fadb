import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { changeFaults, FAULT_KINDS, NO_FAULTS } from '../../standin/vovserver/faults.ts';
import { changeProfile, DEFAULT_PROFILE } from '../../standin/vovserver/profile.ts';

const README = readFileSync(new URL('../../standin/README.md', import.meta.url), 'utf8');

describe('the README of the stand-in', () => {
  it('lists every kind of fault as the code explains it', () => {
    for (const [kind, text] of Object.entries(FAULT_KINDS)) {
      assert.ok(README.includes(`| \`${kind}\` | ${text} |`), kind);
    }
  });

  it('shows changes that are accepted', () => {
    const shown = [...README.matchAll(/\$C\/(profile|faults) -d '([^']+)'/g)];
    assert.ok(shown.length >= 4);
    for (const [, what, body = ''] of shown) {
      if (what === 'profile') changeProfile(DEFAULT_PROFILE, JSON.parse(body));
      else changeFaults(NO_FAULTS, JSON.parse(body));
    }
  });
});
