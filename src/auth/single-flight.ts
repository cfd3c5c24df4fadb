/** One question at a time for each key. */
export interface SingleFlight<V> {
  /** The answer of the question that is under way, or of a new one. */
  ask(key: string): Promise<V>;
  /** Answers that are still under way are handed out, but no longer kept. */
  abandon(): void;
}

/**
 * Asks `question` once for all who want to know the same at the same time. `keep` gets each answer that was not abandoned;
 * `rescue` may answer in place of an error, or throw it.
 */
export function createSingleFlight<V>(
  question: (key: string) => Promise<V>,
  keep: (key: string, answer: V) => void,
  rescue: (key: string, error: unknown) => V,
): SingleFlight<V> {
  const flights = new Map<string, Promise<V>>();
  const start = (key: string): Promise<V> => {
    const flight: Promise<V> = question(key).then(
      (answer) => {
        if (flights.get(key) === flight) keep(key, answer);
        return answer;
      },
      (error: unknown) => rescue(key, error),
    );
    flights.set(key, flight);
    const land = (): void => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.then(land, land);
    return flight;
  };
  return {
    ask: (key) => flights.get(key) ?? start(key),
    abandon: () => flights.clear(),
  };
}
