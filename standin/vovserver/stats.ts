/** Counters since the start or the last reset. */
export interface Stats {
  connectionsOpened: number;
  connectionsOpen: number;
  connectionsPeak: number;
  connectionsRefused: number;
  tlsFailures: number;
  /** TLS handshakes that went through, and how many of them resumed a session. */
  handshakes: number;
  resumed: number;
  requests: number;
  inFlight: number;
  /** Most requests at once. */
  inFlightPeak: number;
  malformed: number;
  faults: number;
}

/** All counters at zero. */
export const createStats = (): Stats => ({
  connectionsOpened: 0,
  connectionsOpen: 0,
  connectionsPeak: 0,
  connectionsRefused: 0,
  tlsFailures: 0,
  handshakes: 0,
  resumed: 0,
  requests: 0,
  inFlight: 0,
  inFlightPeak: 0,
  malformed: 0,
  faults: 0,
});

/** Sets the counters back; what is open or in flight stays and is the new peak. */
export function resetStats(stats: Stats): void {
  const { connectionsOpen, inFlight } = stats;
  Object.assign(stats, createStats(), {
    connectionsOpen,
    connectionsPeak: connectionsOpen,
    inFlight,
    inFlightPeak: inFlight,
  });
}
