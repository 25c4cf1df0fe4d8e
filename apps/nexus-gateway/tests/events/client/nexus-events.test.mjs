// Run: node --experimental-websocket --test apps/nexus-gateway/tests/events/client/
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { NexusEvents, backoff, compareOffsets } from "../../../nexus_gateway/pages/static/nexus-events.js";
import { Server } from "./server.mjs";

const FAST = { minDelayMs: 10, maxDelayMs: 50 };
let server;
let client;

beforeEach(async () => {
  server = new Server();
  await server.start();
});

afterEach(async () => {
  client?.close();
  await server.stop();
});

/** A token that expires after some seconds. */
function token(seconds = 3600) {
  return `h.${btoa(JSON.stringify({ exp: Date.now() / 1000 + seconds })).replaceAll("=", "")}.s`;
}

/** A subscription to app:x that keeps what it receives. */
function listen(options = {}, handlers = {}) {
  const received = [];
  const resets = [];
  client = new NexusEvents(server.url, { ...FAST, getToken: () => token(), ...options });
  const leave = client.subscribe("app:x", {
    onEvent: (data) => received.push(data),
    onReset: (place) => resets.push(place),
    ...handlers,
  });
  return { received, resets, leave };
}

async function until(condition) {
  for (let left = 300; !condition(); left--) {
    assert.ok(left > 0, `still not: ${condition}`);
    await sleep(10);
  }
}

const numbers = (count) => Array.from({ length: count }, (_, number) => number);
const subscribed = () => until(() => server.frames.some(({ op }) => op === "subscribe"));

for (const transport of ["websocket", "sse"]) {
  test(`${transport}: nothing is missed and nothing seen twice while connections are cut`, async () => {
    const { received, resets } = listen({ transport });
    await until(() => client.state === "open");
    await sleep(50);
    for (let number = 0; number < 200; number++) {
      server.publish();
      if (number % 20 === 10) server.cut();
      if (number % 7 === 0) await sleep(5);
    }
    await until(() => received.length >= 200);
    await sleep(100);

    assert.deepEqual(received, numbers(200));
    assert.deepEqual(resets, []);
  });
}

test("events that come twice are passed on once", async () => {
  server.duplicate = true;
  const { received } = listen();
  await subscribed();
  for (let number = 0; number < 20; number++) server.publish();
  await until(() => received.length >= 20);
  await sleep(50);

  assert.deepEqual(received, numbers(20));
});

test("lost events are reported, and it goes on after them", async () => {
  const { received, resets } = listen();
  await subscribed();
  server.publish();
  await until(() => received.length === 1);
  server.cut();
  for (let number = 0; number < 5; number++) server.publish();
  server.lostBefore = 4;
  await until(() => resets.length === 1);
  server.publish();
  await until(() => received.length === 2);

  assert.deepEqual([received, resets], [[0, 6], [{ epoch: "e1", offset: "6-0" }]]);
});

test("a client goes on from a place that it is told", async () => {
  for (let number = 0; number < 5; number++) server.publish();
  const { received } = listen({}, { after: { epoch: "e1", offset: "3-0" } });
  await until(() => received.length >= 2);

  assert.deepEqual(received, [3, 4]);
});

test("the token is sent as a subprotocol, and a ticket in the address", async () => {
  listen({ getToken: () => "T" });
  await subscribed();
  client.close();
  listen({ getToken: undefined, getTicket: () => "a b" });
  await until(() => server.requests.length === 2);

  assert.equal(server.requests[0].headers["sec-websocket-protocol"], "bearer, bearer.T");
  assert.equal(server.requests[0].url, "/v1/ws");
  assert.equal(server.requests[1].url, "/v1/ws?ticket=a%20b");
});

test("a new token is sent before the old one expires", async () => {
  const tokens = [token(0.4), "new"];
  listen({ getToken: () => tokens.shift() });
  await until(() => server.frames.some(({ op }) => op === "auth"));

  assert.deepEqual(server.frames.at(-1), { op: "auth", token: "new" });
  assert.equal(server.requests.length, 1);
});

test("a client that is told to reconnect waits as long as it is told", async () => {
  listen();
  await subscribed();
  const told = Date.now();
  server.tell({ op: "reconnect", after_ms: 300 });
  await until(() => server.requests.length === 2);

  assert.ok(Date.now() - told >= 295);
});

test("where WebSockets are refused it reads an event stream", async () => {
  server.refuseWebSockets = true;
  const { received } = listen();
  await until(() => client.transport === "sse" && client.state === "open");
  await sleep(50);
  server.publish();
  await until(() => received.length === 1);

  assert.equal(server.requests.at(-1).headers.authorization.slice(0, 9), "Bearer h.");
});

test("a client whose WebSocket has worked keeps trying WebSockets", async () => {
  const { received } = listen();
  await subscribed();
  server.refuseWebSockets = true;
  server.cut();
  await until(() => server.requests.length >= 6);
  server.refuseWebSockets = false;
  server.publish();
  await until(() => received.length === 1);

  assert.equal(client.transport, "websocket");
});

test("publishing resolves to the place, or rejects with the problem", async () => {
  listen();
  await subscribed();
  const place = await client.publish("app:x", 1);

  assert.deepEqual(place, { epoch: "e1", offset: "1-0" });
  await assert.rejects(client.publish("data:x", 1), { message: "no", problem: { status: 403, detail: "no" } });
});

test("what waits for an answer rejects when the connection is lost", async () => {
  listen();
  await subscribed();
  const waiting = client.publish("app:x", 1);
  server.cut();

  await assert.rejects(waiting, { message: "The connection was lost before the answer." });
});

test("a refused channel is reported and not asked for again", async () => {
  const problems = [];
  listen({}, { onError: (problem) => problems.push(problem) });
  await subscribed();
  server.tell({ op: "error", channel: "app:x", status: 403, detail: "no" });
  await until(() => problems.length === 1);

  assert.deepEqual(problems, [{ status: 403, detail: "no" }]);
  assert.equal(client.subscriptions.size, 0);
});

test("a subscription that comes too fast is sent again", async () => {
  listen();
  await subscribed();
  server.tell({ op: "error", channel: "app:x", status: 429, retry_after: 0, detail: "too fast" });
  await until(() => server.frames.filter(({ op }) => op === "subscribe").length === 2);
});

test("after close there is no further attempt", async () => {
  const { leave } = listen();
  await subscribed();
  leave();
  assert.equal(client.state, "closed");
  server.cut();
  await sleep(100);

  assert.equal(server.requests.length, 1);
});

test("waits have full jitter below a bound that doubles", () => {
  for (const [failures, bound] of [[0, 100], [1, 200], [3, 800], [9, 1000], [9999, 1000]]) {
    const waits = numbers(300).map(() => backoff(failures, 100, 1000));
    assert.ok(Math.min(...waits) >= 0 && Math.max(...waits) <= bound);
    assert.ok(Math.max(...waits) > bound * 0.8 && Math.min(...waits) < bound * 0.2);
  }
});

test("offsets are compared by their numbers", () => {
  const offsets = ["9-30", "10-2", "10-10", "9223372036854775807-1", "9223372036854775807-2"];
  for (const [index, offset] of offsets.entries()) {
    assert.equal(compareOffsets(offset, offset), 0);
    if (index) assert.deepEqual([compareOffsets(offset, offsets[index - 1]), compareOffsets(offsets[index - 1], offset)], [1, -1]);
  }
});
