import { GatewayError } from '../kernel/index.ts';
import type { Flight, Member } from './flight.ts';
import type { PlainWay } from './plain-way.ts';
import type { CallerGone, GoneListener, Turn } from './ports.ts';

/** So many identities stand in the line for one flight at most; the others go with them. */
const MOST_PLACES = 8;

/** A turn for a flight, and in whose name; null: of who waits longest. */
export interface Boarded {
  readonly turn: Turn;
  readonly leader: Member | null;
}

/** One place in the line: given up when its caller goes, or when another place was first. */
class Place implements CallerGone, GoneListener, Disposable {
  aborted = false;
  readonly #signal: CallerGone;
  readonly #listeners = new Set<GoneListener>();

  constructor(signal: CallerGone) {
    this.#signal = signal;
    signal.addEventListener('abort', this);
    if (signal.aborted) this.aborted = true;
  }

  addEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.delete(listener);
  }

  handleEvent(): void {
    this.giveUp();
  }

  giveUp(): void {
    if (this.aborted) return;
    this.aborted = true;
    const event = new Event('abort');
    for (const listener of [...this.#listeners]) listener.handleEvent(event);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this);
  }
}

/**
 * Waits for the turn of a flight. Every identity that wants it stands in the line in its own name, so that nobody waits
 * behind the other calls of whoever asked first; the first turn that comes counts.
 */
export class FlightLine {
  readonly #way: PlainWay;
  readonly #flight: Flight;
  readonly #places = new Map<string, Place>();
  readonly #outcome = Promise.withResolvers<Boarded | null>();
  #over = false;

  constructor(way: PlainWay, flight: Flight) {
    this.#way = way;
    this.#flight = flight;
  }

  /** Who gets none fails with its kind; null when nobody has a place any more. `taken` is the first one's turn to come. */
  begin(taken: Promise<Turn> | null): Promise<Boarded | null> {
    let first = taken;
    for (const member of this.#flight.members()) {
      this.#join(member, first);
      first = null;
    }
    // Its caller left; the turn comes to nothing, or is given back.
    if (first !== null) first.then((turn) => this.#way.giveBack(turn, this.#flight.queue)).catch(() => undefined);
    if (this.#places.size === 0) this.#end(null);
    return this.#outcome.promise;
  }

  /** Somebody joined the flight. */
  join(member: Member): void {
    if (this.#flight.has(member)) this.#join(member, null);
  }

  #join(member: Member, taken: Promise<Turn> | null): void {
    const name = nameOf(member);
    if (this.#over || this.#places.has(name) || this.#places.size >= MOST_PLACES) return;
    void this.#stand(name, member, taken);
  }

  /** Never throws. */
  async #stand(name: string, first: Member, taken: Promise<Turn> | null): Promise<void> {
    let pending = taken;
    for (let member: Member | undefined = first; member !== undefined && !this.#over; member = this.#oneOf(name)) {
      using place = new Place(member.call.signal);
      this.#places.set(name, place);
      let waits = false;
      try {
        const turn = pending ?? this.#way.take({ ...member.call, signal: place });
        waits = turn instanceof Promise;
        // Without a pause when there is room: then nobody else need ask.
        this.#won(turn instanceof Promise ? await turn : turn, member);
      } catch (error) {
        if (this.#over) return;
        // There is no room for one more, but others have a place.
        if (!waits && this.#places.size > 1) break;
        this.#failed(member, error);
      }
      pending = null;
    }
    this.#places.delete(name);
    if (this.#places.size === 0) this.#end(null);
  }

  #oneOf(name: string): Member | undefined {
    for (const member of this.#flight.members()) if (nameOf(member) === name) return member;
    return undefined;
  }

  #won(turn: Turn, member: Member): void {
    if (this.#over) this.#way.giveBack(turn, this.#flight.queue);
    else this.#end({ turn, leader: member });
  }

  /** Nobody fails for want of another's turn, nor for another's credential. */
  #failed(failed: Member, error: unknown): void {
    if (!this.#flight.has(failed)) return;
    const byToken = error instanceof GatewayError && error.code === 'GW_UNAUTHENTICATED';
    for (const member of this.#flight.members()) {
      const alike = nameOf(member) === nameOf(failed) && (!byToken || member.call.token === failed.call.token);
      if (alike && this.#flight.take(member)) member.reject(error);
    }
  }

  #end(boarded: Boarded | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#outcome.resolve(boarded);
    for (const place of this.#places.values()) place.giveUp();
  }
}

const nameOf = ({ call }: Member): string => call.identity ?? call.account;
