// A server of the gateway's protocol that cuts connections, repeats events and refuses WebSockets when a test says so.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const EPOCH = "e1";
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

function encode(frame, opcode = 1) {
  const data = Buffer.from(typeof frame === "string" ? frame : JSON.stringify(frame));
  const head = data.length < 126 ? [0x80 | opcode, data.length] : [0x80 | opcode, 126, data.length >> 8, data.length & 255];
  return Buffer.concat([Buffer.from(head), data]);
}

/** The texts of a client's masked frames in `data`, each shorter than 64 KiB. */
function* decode(data) {
  while (data.length > 6) {
    const long = (data[1] & 127) === 126;
    const length = long ? data.readUInt16BE(2) : data[1] & 127;
    const start = long ? 4 : 2;
    const mask = data.subarray(start, start + 4);
    const content = data.subarray(start + 4, start + 4 + length).map((byte, index) => byte ^ mask[index % 4]);
    if ((data[0] & 15) === 1) yield Buffer.from(content).toString();
    data = data.subarray(start + 4 + length);
  }
}

export class Server {
  constructor() {
    this.events = [];
    this.frames = [];
    this.requests = [];
    this.sockets = new Set();
    this.streams = new Set();
    this.refuseWebSockets = false;
    this.duplicate = false;
    this.lostBefore = 0;
    this.http = createServer((request, response) => this.#request(request, response));
    this.http.on("upgrade", (request, socket) => this.#upgrade(request, socket));
  }

  async start() {
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Publish the next number. */
  publish() {
    const event = { op: "event", channel: "app:x", epoch: EPOCH, offset: `${this.events.length + 1}-0`, data: this.events.length };
    this.events.push(event);
    for (const socket of this.sockets) if (socket.subscribed) this.#send(socket, event);
    for (const stream of this.streams) this.#sendTo(stream, event);
  }

  cut() {
    for (const socket of this.sockets) socket.destroy();
    for (const stream of this.streams) stream.destroy();
    this.sockets.clear();
    this.streams.clear();
  }

  /** Send a frame to all. */
  tell(frame) {
    for (const socket of this.sockets) this.#send(socket, frame);
  }

  #send(socket, frame) {
    socket.write(encode(frame));
    if (this.duplicate && frame.op === "event") socket.write(encode(frame));
  }

  #sendTo(stream, frame) {
    stream.write(`id: app:x=${EPOCH}/${frame.offset}\ndata: ${JSON.stringify(frame)}\n\n`);
  }

  /** What to answer to a subscription that goes on from a place. */
  #resume({ epoch, offset }) {
    const last = { channel: "app:x", epoch: EPOCH, offset: `${this.events.length}-0` };
    if (epoch === undefined) return [{ op: "subscribed", ...last }];
    const after = Number(offset.split("-")[0]);
    if (epoch !== EPOCH || after < this.lostBefore) return [{ op: "reset", ...last }];
    return [{ op: "subscribed", channel: "app:x", epoch, offset }, ...this.events.slice(after)];
  }

  #request(request, response) {
    this.requests.push({ url: request.url, headers: request.headers });
    if (!request.url.startsWith("/v1/events")) return response.writeHead(404).end("{}");
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("retry: 2000\n\n: \n\n");
    const [, epoch, offset] = /=(.*)\/(.*)$/.exec(request.headers["last-event-id"] ?? "") ?? [];
    for (const frame of this.#resume({ epoch, offset })) this.#sendTo(response, frame);
    this.streams.add(response);
  }

  #upgrade(request, socket) {
    this.requests.push({ url: request.url, headers: request.headers });
    socket.on("error", () => {});
    if (this.refuseWebSockets) return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    const protocol = request.headers["sec-websocket-protocol"] ? "Sec-WebSocket-Protocol: bearer\r\n" : "";
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol}\r\n`,
    );
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("data", (data) => {
      for (const text of decode(data)) if (text.startsWith("{")) this.#answer(socket, JSON.parse(text));
    });
  }

  #answer(socket, frame) {
    this.frames.push(frame);
    if (frame.op === "subscribe") {
      for (const answer of this.#resume(frame)) this.#send(socket, answer);
      socket.subscribed = true;
    } else if (frame.op === "publish" && frame.channel === "app:x") {
      this.#send(socket, { op: "published", channel: "app:x", epoch: EPOCH, offset: "1-0" });
    } else if (frame.op === "publish") {
      this.#send(socket, { op: "error", channel: frame.channel, status: 403, detail: "no" });
    } else if (frame.op === "auth") {
      this.#send(socket, { op: "authenticated", expires_at: Date.now() / 1000 + 3600 });
    }
  }
}
