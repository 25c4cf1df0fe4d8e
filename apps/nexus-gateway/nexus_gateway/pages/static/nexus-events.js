// @ts-check
/**
 * Events of a Nexus gateway, over WebSocket, or as an event stream over HTTP where WebSockets do not pass.
 *
 * The client connects again after each loss, resumes each channel from the epoch and offset of its last event, and so
 * passes each event on once: nothing is seen twice, and what is lost is reported (`onReset`).
 *
 * @example
 * const events = new NexusEvents("https://nexus.example.com", { getToken: async () => accessToken });
 * const leave = events.subscribe("data:product", { onEvent: (data) => console.log(data), onReset: refetch });
 */

/**
 * @typedef {{ epoch: string, offset: string }} Place
 *
 * @typedef {object} Handlers What to do with what a channel brings.
 * @property {(data: unknown, place: Place) => void} onEvent Receives each event.
 * @property {(place: Place) => void} [onReset] Events are lost: fetch the state again.
 * @property {(problem: Record<string, unknown>) => void} [onError] The channel is refused (problem details, RFC 9457).
 * @property {Place} [after] Where to go on; without it with what is published from now on.
 *
 * @typedef {object} Options
 * @property {() => string | Promise<string>} [getToken] Returns a valid access token; asked again before it expires.
 * @property {() => string | Promise<string>} [getTicket] Returns a ticket of POST /v1/ws/tickets, instead of a token.
 * @property {(state: State) => void} [onState] Receives the state of the connection when it changes.
 * @property {"auto" | "websocket" | "sse"} [transport] `auto` (the default) falls back to an event stream.
 * @property {number} [minDelayMs] Longest wait before the first attempt to connect again; 500.
 * @property {number} [maxDelayMs] Longest wait before any attempt; 30000.
 *
 * @typedef {"connecting" | "open" | "waiting" | "closed"} State
 */

const FAILURES_BEFORE_FALLBACK = 2;
const SILENCE_MS = 45000; // three heartbeats of an event stream, two pings and an answer of a WebSocket
const PING_MS = 20000;
const RENEW_BEFORE_MS = 60000;

/** A subscription to one channel. */
class Subscription {
  /** @param {string} channel @param {Handlers} handlers */
  constructor(channel, handlers) {
    this.channel = channel;
    this.handlers = handlers;
    /** @type {Place | undefined} */
    this.place = handlers.after;
  }

  /** Whether `place` comes after what was received. @param {Place} place */
  isNew(place) {
    return !this.place || this.place.epoch !== place.epoch || compareOffsets(place.offset, this.place.offset) > 0;
  }
}

/** Negative, 0 or positive, as `a` comes before, is, or comes after `b`. @param {string} a @param {string} b */
export function compareOffsets(a, b) {
  const [one, two] = [a, b].map((offset) => offset.split("-").map(BigInt));
  const [high, low] = [one[0] - two[0], (one[1] ?? 0n) - (two[1] ?? 0n)];
  const sign = high || low;
  return sign < 0n ? -1 : sign > 0n ? 1 : 0;
}

/** A random wait up to a bound that doubles with each failure ("full jitter"). @param {number} failures @param {number} min @param {number} max */
export function backoff(failures, min, max) {
  return Math.random() * Math.min(max, min * 2 ** Math.min(failures, 30));
}

/** When an access token expires, in milliseconds since 1970; undefined for one that does not say. @param {string} token */
function expiryOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** A connection to the gateway's events. */
export class NexusEvents {
  /** @param {string} url Address of the gateway. @param {Options} options */
  constructor(url, options = {}) {
    this.url = url.replace(/\/+$/, "");
    this.options = options;
    /** @type {Map<string, Subscription>} */
    this.subscriptions = new Map();
    /** @type {State} */
    this.state = "closed";
    this.failures = 0;
    this.refusals = 0;
    this.hasOpened = false;
    this.stopped = false;
    /** @type {WebSocket | undefined} */
    this.socket = undefined;
    /** @type {AbortController | undefined} */
    this.request = undefined;
    /** @type {Array<{ channel: string, resolve: (place: Place) => void, reject: (error: Error) => void }>} */
    this.publishing = [];
    /** @type {Set<ReturnType<typeof setTimeout>>} */
    this.timers = new Set();
    this.received = 0;
    this.transport = options.transport === "sse" ? "sse" : "websocket";
  }

  /**
   * Receive the events of a channel. Returns a function that ends the subscription.
   * @param {string} channel @param {Handlers} handlers @returns {() => void}
   */
  subscribe(channel, handlers) {
    if (this.stopped) throw new Error("The client was closed. Make another one.");
    if (this.subscriptions.has(channel)) throw new Error(`There is a subscription to ${channel} already.`);
    const subscription = new Subscription(channel, handlers);
    this.subscriptions.set(channel, subscription);
    if (this.state === "closed") this.#connect();
    else if (this.state === "open") this.#join(subscription);
    return () => this.#leave(subscription);
  }

  /**
   * Publish to a channel; resolves to the event's place. Rejects when the gateway refuses it, and when the connection is
   * lost before its answer: whether it was published is not known then.
   * @param {string} channel @param {unknown} data @returns {Promise<Place>}
   */
  publish(channel, data) {
    if (this.socket?.readyState !== 1 || this.state !== "open") return this.#post(channel, data);
    return new Promise((resolve, reject) => {
      this.publishing.push({ channel, resolve, reject });
      this.#send({ op: "publish", channel, data });
    });
  }

  /** End the connection and all subscriptions. */
  close() {
    this.stopped = true;
    this.subscriptions.clear();
    this.#drop();
    this.#setState("closed");
  }

  /** @param {Subscription} subscription */
  #leave(subscription) {
    if (this.subscriptions.get(subscription.channel) !== subscription) return;
    this.subscriptions.delete(subscription.channel);
    if (this.socket) this.#send({ op: "unsubscribe", channel: subscription.channel });
    else if (this.request) this.#lost(0);
    if (this.subscriptions.size === 0) {
      this.#drop();
      this.#setState("closed");
    }
  }

  /** @param {Subscription} subscription */
  #join(subscription) {
    if (this.socket) this.#send({ op: "subscribe", channel: subscription.channel, ...subscription.place });
    else this.#lost(0); // an event stream is for the channels that it was opened with
  }

  /** @param {State} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.options.onState?.(state);
  }

  /** @param {() => void} work @param {number} delay */
  #later(work, delay) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, delay);
    this.timers.add(timer);
  }

  /** Forget the connection; what comes from it is ignored. */
  #drop() {
    const { socket, request, publishing } = this;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.socket = undefined;
    this.request = undefined;
    this.publishing = [];
    socket?.close();
    request?.abort();
    for (const { reject } of publishing) reject(new Error("The connection was lost before the answer."));
  }

  /** Connect again after a while. @param {number} [after] Milliseconds; without it longer after each failure. */
  #lost(after) {
    this.#drop();
    if (this.stopped || this.subscriptions.size === 0) return;
    this.#setState("waiting");
    const { minDelayMs = 500, maxDelayMs = 30000 } = this.options;
    const delay = after ?? backoff(this.failures, minDelayMs, maxDelayMs);
    this.failures += after === undefined ? 1 : 0;
    this.#later(() => this.#connect(), delay);
  }

  async #connect() {
    this.#setState("connecting");
    const attempt = (this.request = new AbortController()); // also marks the attempt while credentials are awaited
    try {
      const ticket = await this.options.getTicket?.();
      const token = ticket === undefined ? await this.options.getToken?.() : undefined;
      if (this.request !== attempt || this.stopped) return;
      if (this.transport === "sse") await this.#stream(attempt, token, ticket);
      else this.#open(token, ticket);
    } catch {
      if (this.request !== attempt) return;
      if (this.state === "connecting") this.#fallForward();
      this.#lost();
    }
  }

  /** @param {string | undefined} token @param {string | undefined} ticket */
  #open(token, ticket) {
    this.request = undefined;
    const query = ticket === undefined ? "" : `?ticket=${encodeURIComponent(ticket)}`;
    const protocols = token === undefined ? [] : ["bearer", `bearer.${token}`];
    const socket = new WebSocket(`${this.url.replace(/^http/, "ws")}/v1/ws${query}`, protocols);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      if (this.socket !== socket) return;
      opened = this.hasOpened = true;
      this.#opened();
      for (const subscription of this.subscriptions.values()) this.#join(subscription);
      this.#ping();
      this.#renewBefore(token === undefined ? undefined : expiryOf(token));
    };
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.#receive(JSON.parse(data));
    };
    socket.onerror = socket.onclose = () => { // not each implementation closes what never opened
      if (this.socket !== socket) return;
      if (!opened) this.#fallBack();
      this.#lost();
    };
  }

  /** The connection is open. `failures` is forgotten only once it has lasted: see #receive. */
  #opened() {
    this.#setState("open");
    this.received = Date.now();
    this.#watch();
  }

  /** Where no WebSocket has ever opened, proxies on the way may refuse them; where one has, the gateway is away. */
  #fallBack() {
    this.refusals += 1;
    const automatic = (this.options.transport ?? "auto") === "auto" && !this.hasOpened;
    if (automatic && this.refusals >= FAILURES_BEFORE_FALLBACK) this.transport = "sse";
  }

  /** No event stream opens either, so that it was not for a proxy that no WebSocket did. */
  #fallForward() {
    this.refusals = 0;
    if ((this.options.transport ?? "auto") === "auto") this.transport = "websocket";
  }

  /** End a connection that has become silent without closing. */
  #watch() {
    const left = this.received + SILENCE_MS - Date.now();
    if (left <= 0) this.#lost();
    else this.#later(() => this.#watch(), left);
  }

  #ping() {
    this.#later(() => {
      this.#send({ op: "ping" });
      this.#ping();
    }, PING_MS);
  }

  /** Send a new token before the old one expires. @param {number | undefined} expiry */
  #renewBefore(expiry) {
    if (expiry === undefined || !this.options.getToken) return;
    const { socket, options } = this;
    const left = expiry - Date.now();
    const renew = async () => {
      try {
        const token = await options.getToken?.();
        if (this.socket === socket && token !== undefined) this.#send({ op: "auth", token });
      } catch {
        // the gateway closes the connection when the token expires, and the next attempt asks again
      }
    };
    this.#later(renew, Math.min(Math.max(left - RENEW_BEFORE_MS, left / 2), 2 ** 31 - 1));
  }

  /** @param {object} frame */
  #send(frame) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  /** @param {Record<string, any>} frame */
  #receive(frame) {
    this.received = Date.now();
    const subscription = this.subscriptions.get(frame.channel);
    switch (frame.op) {
      case "event":
        this.failures = 0;
        if (subscription) this.#pass(subscription, frame);
        break;
      case "subscribed":
        this.failures = 0;
        if (subscription) subscription.place = placeOf(frame);
        break;
      case "reset":
        if (subscription) {
          subscription.place = placeOf(frame);
          subscription.handlers.onReset?.(subscription.place);
        }
        break;
      case "published":
        this.publishing.shift()?.resolve(placeOf(frame));
        break;
      case "authenticated":
        this.#renewBefore(frame.expires_at * 1000);
        break;
      case "reconnect":
        this.#lost(frame.after_ms);
        break;
      case "error":
        this.#refused(frame, subscription);
        break;
    }
  }

  /** @param {Subscription} subscription @param {Record<string, any>} frame */
  #pass(subscription, frame) {
    const place = placeOf(frame);
    if (!subscription.isNew(place)) return;
    subscription.place = place;
    subscription.handlers.onEvent(frame.data, place);
  }

  /** @param {Record<string, any>} frame @param {Subscription | undefined} subscription */
  #refused(frame, subscription) {
    const { op: _, channel, ...problem } = frame;
    const first = this.publishing[0];
    if (first?.channel === channel) {
      this.publishing.shift();
      first.reject(Object.assign(new Error(String(problem.detail)), { problem }));
    } else if (frame.status === 429 || frame.status >= 500) {
      if (subscription) this.#later(() => this.#join(subscription), 1000 * (frame.retry_after ?? 1) + 1000 * Math.random());
      else this.#lost();
    } else if (subscription) {
      this.subscriptions.delete(channel);
      subscription.handlers.onError?.(problem);
    }
  }

  /** Read an event stream until it ends. @param {AbortController} attempt @param {string} [token] @param {string} [ticket] */
  async #stream(attempt, token, ticket) {
    const channels = [...this.subscriptions.keys()];
    const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
    if (ticket !== undefined) query.set("ticket", ticket);
    /** @type {Record<string, string>} */
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const places = [...this.subscriptions.values()].filter(({ place }) => place);
    const id = places.map(({ channel, place }) => `${channel}=${place?.epoch}/${place?.offset}`).join(",");
    if (id) headers["Last-Event-ID"] = id;
    const response = await fetch(`${this.url}/v1/events?${query}`, { headers, signal: attempt.signal, cache: "no-store" });
    if (!response.ok || !response.body) return this.#streamRefused(await response.json());
    this.#opened();
    if (channels.join() !== [...this.subscriptions.keys()].join()) return this.#lost(0);
    let text = "";
    for await (const part of parts(response.body.pipeThrough(new TextDecoderStream()))) {
      if (this.request !== attempt) return;
      this.received = Date.now();
      text += part;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const line = text.slice(0, end).split("\n").find((line) => line.startsWith("data: "));
        text = text.slice(end + 2);
        if (line && this.request === attempt) this.#receive(JSON.parse(line.slice(6)));
      }
    }
    if (this.request === attempt) this.#lost();
  }

  /** @param {Record<string, any>} problem */
  #streamRefused(problem) {
    if (problem.status === 403) {
      for (const [channel, { handlers }] of this.subscriptions) {
        this.subscriptions.delete(channel);
        handlers.onError?.(problem);
      }
    }
    this.#lost();
  }

  /** @param {string} channel @param {unknown} data @returns {Promise<Place>} */
  async #post(channel, data) {
    const token = await this.options.getToken?.();
    const credentials = token === undefined ? { "X-Nexus-CSRF": "1" } : { Authorization: `Bearer ${token}` };
    const headers = { "Content-Type": "application/json", ...credentials };
    const address = `${this.url}/v1/channels/${encodeURIComponent(channel)}/messages`;
    const response = await fetch(address, { method: "POST", headers, body: JSON.stringify({ data }) });
    const body = await response.json();
    if (response.ok) return placeOf(body);
    throw Object.assign(new Error(String(body.detail)), { problem: body });
  }
}

/** @param {Record<string, any>} frame @returns {Place} */
function placeOf({ epoch, offset }) {
  return { epoch, offset };
}

/** What a stream brings; not every browser can iterate over one. @param {ReadableStream<string>} stream */
async function* parts(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
