// node use.mjs ADDRESS TOKEN http|websocket legacy|auto: uses the server by the official TypeScript SDK, and prints what it found.
// Over WebSocket, for which the SDK has no transport, it connects as a page in a browser does: with the token as a subprotocol.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

class WebSocketTransport {
  constructor(address, token) {
    this.address = address;
    this.protocols = ["mcp", `bearer.${token}`];
  }

  start() {
    this.socket = new WebSocket(this.address, this.protocols);
    this.socket.onmessage = (event) => this.onmessage?.(JSON.parse(event.data));
    this.socket.onclose = () => this.onclose?.();
    return new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = (event) => reject(new Error(event.message));
    });
  }

  async send(message) {
    this.socket.send(JSON.stringify(message));
  }

  async close() {
    this.socket.close();
  }
}

const [address, token, door, mode] = process.argv.slice(2);
const transport =
  door === "http"
    ? new StreamableHTTPClientTransport(new URL(`${address}/mcp`), {
        requestInit: { headers: { Authorization: `Bearer ${token}` } },
      })
    : new WebSocketTransport(`${address.replace("http", "ws")}/mcp`, token);
const client = new Client(
  { name: "tests", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
);
client.setRequestHandler("elicitation/create", async (request) => ({
  action: "accept",
  content: { username: "alice", email: request.params.message },
}));
await client.connect(transport);

const text = (result) => result.content.map((block) => block.text).join();
const reports = [];
const call = (name, args = {}, options = undefined) => client.callTool({ name, arguments: args }, options);
const found = {
  revision: client.getNegotiatedProtocolVersion(),
  server: client.getServerVersion().name,
  tools: (await client.listTools()).tools.some((tool) => tool.name === "test_simple_text"),
  called: text(await call("test_simple_text")),
  failed: (await call("test_error_handling")).isError,
  refused: await call("sing").catch((error) => error.message),
  resource: (await client.readResource({ uri: "test://static-text" })).contents[0].text,
  prompt: (await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "a", arg2: "b" } })).messages[0]
    .content.text,
  progress: text(
    await call("test_tool_with_progress", {}, { onprogress: (report) => reports.push(report.progress) }),
  ),
  reports,
  asked: text(await call("test_elicitation", { message: "a@example.com" })).includes('"email": "a@example.com"'),
};
await client.close();
console.log(JSON.stringify(found));
