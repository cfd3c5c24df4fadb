/** What must never be found in the store, by kind. */
export interface Notes {
  add(kind: string, text: string): Notes;
  readonly kinds: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Shorter texts would be found by chance. */
const SHORTEST = 8;

export function createNotes(): Notes {
  const kinds = new Map<string, Set<string>>();
  const notes: Notes = {
    kinds,
    add(kind, text) {
      if (text.length < SHORTEST) return notes;
      const texts = kinds.get(kind) ?? new Set<string>();
      kinds.set(kind, texts.add(text));
      return notes;
    },
  };
  return notes;
}

/** Base64 of `text` inside something longer: the characters that no neighbour has a part in, for each of three alignments. */
function base64Inside(text: string, encoding: 'base64' | 'base64url'): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString(encoding);
    return whole.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
  });
}

/** A text in each way in which it is looked for. */
export function formsOf(text: string): ReadonlyMap<string, string> {
  const hex = Buffer.from(text).toString('hex');
  const forms: [string, string][] = [
    [text, 'clear'],
    [hex, 'hex'],
    [hex.toUpperCase(), 'hex'],
    ...base64Inside(text, 'base64').map((form): [string, string] => [form, 'base64']),
    ...base64Inside(text, 'base64url').map((form): [string, string] => [form, 'base64url']),
  ];
  return new Map(forms);
}

/** Occurrence of something noted. */
export interface Found {
  readonly kind: string;
  readonly form: string;
  readonly around: string;
}

/** Finds everything noted in `bytes`, in clear, hex, base64 and base64url. */
export function search(bytes: Buffer, notes: Notes): Found[] {
  const text = bytes.toString('latin1');
  const byHead = new Map<string, { kind: string; form: string; needle: string }[]>();
  for (const [kind, texts] of notes.kinds) {
    for (const noted of texts) {
      for (const [needle, form] of formsOf(noted)) {
        const head = needle.slice(0, SHORTEST);
        byHead.set(head, [...(byHead.get(head) ?? []), { kind, form, needle }]);
      }
    }
  }
  const found: Found[] = [];
  for (let at = 0; at + SHORTEST <= text.length; at++) {
    for (const { kind, form, needle } of byHead.get(text.slice(at, at + SHORTEST)) ?? []) {
      if (text.startsWith(needle, at)) found.push({ kind, form, around: text.slice(Math.max(0, at - 60), at + 10) });
    }
  }
  return found;
}
