import type { WebRequest } from '../kernel/index.ts';
import type { PortalConfig } from './ports.ts';

/** Some lines to paste, and where. */
export interface Lines {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly note: string | null;
}

/** A word of a POSIX shell: quoted unless it is plain. */
const shellWord = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** The origin under which programs reach the gateway: as configured, else as this request came. */
export function gatewayUrl({ server }: PortalConfig, { raw }: WebRequest): string {
  if (server.publicUrl !== undefined) return new URL(server.publicUrl).origin;
  const scheme = 'encrypted' in raw.socket ? 'https' : 'http';
  return new URL(`${scheme}://${raw.headers.host ?? 'localhost'}`).origin;
}

/** A queue that is reached under a host name or port of its own. */
export interface QueueUrl {
  readonly queue: string;
  readonly url: string;
}

/** The URL of each queue; the first queue answers at the gateway's own URL. */
export function queueUrls({ queues }: PortalConfig, base: string): readonly QueueUrl[] {
  return queues.map(({ name, hosts, port }, at) => {
    const url = new URL(base);
    const [host] = hosts;
    if (at > 0 && host !== undefined) url.hostname = host;
    else if (at > 0 && port !== undefined) url.port = String(port);
    return { queue: name, url: url.origin };
  });
}

/**
 * The exact lines to paste for a new token: the environment, then curl, Python and the vendor's scripts. The token is in none
 * of them: a shell would keep it in its history, and every user of the machine sees the arguments of every program.
 */
export function tokenLines(url: string, user: string, account: string | null): readonly Lines[] {
  const owner = encodeURIComponent(account ?? user);
  return [
    {
      id: 'lines-env',
      title: 'Environment',
      text: `export NC_URL=${shellWord(url)}\nread -rs VOVGW_TOKEN && export VOVGW_TOKEN`,
      note: 'For bash and zsh. The second line waits: paste the token, which stays invisible, and press Enter. The lines below take both from here.',
    },
    {
      id: 'lines-curl',
      title: 'curl',
      text: `printf 'header = "Authorization: Bearer %s"\\n' "$VOVGW_TOKEN" |
  curl -K - "$NC_URL/api/v3/query?select=id,statusnc,command&from=System:User:${owner}&limit=20"`,
      note: 'The token goes to curl by a pipe: its arguments are seen by every user of the machine.',
    },
    {
      id: 'lines-python',
      title: 'Python',
      text: `import json, os
import vov_rest_v3

url = os.environ["NC_URL"]
vrest = vov_rest_v3.VOVRestV3()
vrest.authorize(url, os.environ["VOVGW_TOKEN"], username=${JSON.stringify(user)})
jobs = vrest.submitRequest("GET", url + "/api/v3/query?select=id,statusnc,command&from=System:User:${owner}&limit=20")
print(json.dumps(json.loads(jobs), indent=2))`,
      note: 'With the vendor’s vov_rest_v3.py or the gateway’s own.',
    },
    {
      id: 'lines-vendor',
      title: 'The vendor’s scripts, unchanged',
      text: `export NC_URL=${shellWord(url)}\nexport USER=${shellWord(user)}\npython3 nc_list.py`,
      note: `Paste the token where the script asks for the password. The user name is ${user}.`,
    },
  ];
}
