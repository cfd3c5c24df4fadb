function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  for (const part of text.split(':')) {
    if (part.includes('.')) {
      const bytes = part.split('.').map(Number);
      if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return null;
      const [a = 0, b = 0, c = 0, d = 0] = bytes;
      groups.push(a * 256 + b, c * 256 + d);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function expand(address: string): number[] | null {
  const [head = '', tail, more] = address.split('::');
  if (more !== undefined) return null;
  const front = parseGroups(head);
  const back = parseGroups(tail ?? '');
  if (front === null || back === null) return null;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  return [...front, ...new Array<number>(missing).fill(0), ...back];
}

/**
 * What counts as one address: IPv4 exactly, IPv6 by its /64 (one host commonly owns all of it), IPv4-mapped IPv6
 * (RFC 4291, 2.5.5.2) as IPv4. Text that is no address counts as itself.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const groups = expand(address.split('%', 1)[0] ?? address);
  if (groups === null) return address;
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0] = groups;
  if ((g0 | g1 | g2 | g3 | g4) === 0 && g5 === 0xffff) return `${g6 >> 8}.${g6 & 255}.${g7 >> 8}.${g7 & 255}`;
  return `${g0.toString(16)}:${g1.toString(16)}:${g2.toString(16)}:${g3.toString(16)}::/64`;
}
