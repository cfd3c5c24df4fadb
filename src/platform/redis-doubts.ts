/** What of the settings of a Redis lets it lose what it acknowledged; `replicated`: another may take its place. */
export function doubtsOf(settings: ReadonlyMap<string, string>, replicated = false): readonly string[] {
  const doubts: string[] = [];
  const [aof, fsync] = [settings.get('appendonly'), settings.get('appendfsync')];
  if (aof === 'no') doubts.push('appendonly is no, so what was written since its last snapshot ends with it');
  else if (fsync === 'everysec') doubts.push('appendfsync is everysec, so a power cut takes the last two seconds');
  else if (fsync === 'no') doubts.push('appendfsync is no, so a power cut takes what the system had not written yet');
  const policy = settings.get('maxmemory-policy') ?? 'noeviction';
  if (policy !== 'noeviction' && Number(settings.get('maxmemory') ?? 0) > 0) {
    doubts.push(`maxmemory-policy is ${policy}, so keys go before their time when memory is short`);
  }
  if (replicated && settings.get('min-replicas-to-write') === '0') {
    doubts.push('min-replicas-to-write is 0, so a failover takes what no replica had received yet');
  }
  return doubts;
}

/** Whether INFO replication names replicas. */
export const hasReplicas = (info: unknown): boolean => /^connected_slaves:[1-9]/m.test(String(info));

/** Reads the answer to CONFIG GET, a list or a map by the version of the protocol. */
export function readSettings(reply: unknown): ReadonlyMap<string, string> {
  if (reply instanceof Map) return new Map([...reply].map(([name, value]) => [String(name), String(value)]));
  if (Array.isArray(reply)) {
    const pairs = reply.flatMap((name, at) => (at % 2 === 0 ? [[String(name), String(reply[at + 1])] as const] : []));
    return new Map(pairs);
  }
  const entries = typeof reply === 'object' && reply !== null ? Object.entries(reply) : [];
  return new Map(entries.map(([name, value]) => [name, String(value)]));
}
