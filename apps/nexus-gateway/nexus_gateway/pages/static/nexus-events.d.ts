/** Events of a Nexus gateway; see nexus-events.js. */

export interface Place {
  epoch: string;
  offset: string;
}

export interface Handlers {
  /** Receives each event. */
  onEvent: (data: unknown, place: Place) => void;
  /** Events are lost: fetch the state again. */
  onReset?: (place: Place) => void;
  /** The channel is refused (problem details, RFC 9457). */
  onError?: (problem: Record<string, unknown>) => void;
  /** Where to go on; without it with what is published from now on. */
  after?: Place;
}

export type State = "connecting" | "open" | "waiting" | "closed";

export interface Options {
  /** Returns a valid access token; asked again before it expires. */
  getToken?: () => string | Promise<string>;
  /** Returns a ticket of POST /v1/ws/tickets, instead of a token. */
  getTicket?: () => string | Promise<string>;
  /** Receives the state of the connection when it changes. */
  onState?: (state: State) => void;
  /** `auto` (the default) falls back to an event stream. */
  transport?: "auto" | "websocket" | "sse";
  /** Longest wait before the first attempt to connect again; 500. */
  minDelayMs?: number;
  /** Longest wait before any attempt; 30000. */
  maxDelayMs?: number;
}

export class NexusEvents {
  constructor(url: string, options?: Options);
  readonly state: State;
  readonly transport: "websocket" | "sse";
  /** Receive the events of a channel. Returns a function that ends the subscription. */
  subscribe(channel: string, handlers: Handlers): () => void;
  /** Publish to a channel; resolves to the event's place. */
  publish(channel: string, data: unknown): Promise<Place>;
  /** End the connection and all subscriptions. */
  close(): void;
}

/** Negative, 0 or positive, as `a` comes before, is, or comes after `b`. */
export function compareOffsets(a: string, b: string): number;
/** A random wait up to a bound that doubles with each failure ("full jitter"). */
export function backoff(failures: number, min: number, max: number): number;
