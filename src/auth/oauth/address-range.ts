import { isIPv6 } from 'node:net';

/**
 * What counts as one address: IPv4 as it is, IPv6 by its /64, since one host commonly owns all of it. The address is one
 * that Node wrote or that the server checked; text that is none counts as itself.
 */
export function addressRange(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = new URL(`http://[${address.split('%', 1)[0]}]`).hostname.slice(1, -1).split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - front.length - back.length).fill('0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}
