// Follows a channel with several clients until each has received "end"; writes what they received as JSON.
// Run: TOKEN=... node --experimental-websocket events_client.mjs MODULE ADDRESS CHANNEL CLIENTS
import { pathToFileURL } from "node:url";

const [module, address, channel, clients] = process.argv.slice(2);
const { NexusEvents } = await import(pathToFileURL(module).href);

function follow(number) {
  const result = { offsets: [], resets: 0, connections: 0 };
  const transport = number === 0 ? "sse" : "websocket";
  return new Promise((resolve) => {
    const options = {
      transport,
      getToken: () => process.env.TOKEN,
      minDelayMs: 100,
      maxDelayMs: 1000,
      onState: (state) => {
        result.connections += state === "open";
        if (state === "open" && result.connections === 1) setTimeout(() => console.log("open"), 500);
      },
    };
    const events = new NexusEvents(address, options);
    events.subscribe(channel, {
      onEvent: (data, { offset }) => {
        result.offsets.push(offset);
        if (data !== "end") return;
        events.close();
        resolve(result);
      },
      onReset: () => (result.resets += 1),
      onError: (problem) => resolve({ ...result, problem }),
    });
  });
}

const results = await Promise.all(Array.from({ length: Number(clients) }, (_, number) => follow(number)));
console.log(JSON.stringify(results));
process.exit(0);
