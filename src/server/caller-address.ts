import { BlockList, isIPv4, isIPv6 } from 'node:net';

const MAPPED_IPV4 = '::ffff:';

/** IPv4 addresses that arrive on an IPv6 socket are shown in their own form; a zone (RFC 4007) is no part of an address. */
function plainAddress(written: string): string {
  const zone = written.indexOf('%');
  const address = zone === -1 ? written : written.slice(0, zone);
  const tail = address.startsWith(MAPPED_IPV4) ? address.slice(MAPPED_IPV4.length) : address;
  return isIPv4(tail) ? tail : address;
}

/** Finds the address of the caller behind load balancers. */
export interface CallerAddress {
  /**
   * `remote` is the peer of the socket, `forwardedFor` the X-Forwarded-For header. The header is believed only as far
   * as the hops that wrote it are in the trusted networks: the first address from the right that is not trusted wins.
   */
  of(remote: string | undefined, forwardedFor: string | undefined): string;
}

/** `networks` are CIDR blocks of trusted proxies; with none the header is never read. */
export function createCallerAddress(networks: readonly string[]): CallerAddress {
  const trusted = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    trusted.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  const isTrusted = (address: string): boolean => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  return {
    of(remote, forwardedFor) {
      let address = plainAddress(remote ?? '0.0.0.0');
      if (networks.length === 0 || forwardedFor === undefined || !isTrusted(address)) return address;
      const hops = forwardedFor.split(',').map((hop) => plainAddress(hop.trim()));
      for (const hop of hops.reverse()) {
        if (!isIPv4(hop) && !isIPv6(hop)) return address;
        address = hop;
        if (!isTrusted(address)) return address;
      }
      return address;
    },
  };
}
