// @ts-check
/** A port on 127.0.0.1 that speaks HTTP/1.1 and HTTP/2, with TLS or without: one handler for all of it. */
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2, createSecureServer } from "node:http2";
import { createServer as createNet } from "node:net";

/**
 * @typedef {object} Asked
 * @property {string} method
 * @property {string} path with its query
 * @property {Record<string, string>} headers by lower-case name
 * @property {string[]} repeated names that came more than once
 * @property {Buffer} body
 * @property {"1.1" | "2.0"} http
 * @property {object} connection the same object for all that comes over one connection
 *
 * @typedef {{ status: number, headers?: Record<string, string>, body?: string, stream?: (out: Out) => void }} Answer
 * @typedef {import("node:http").ServerResponse} Out what `stream` writes on until the other side goes
 *
 * `never`: accepted and never answered. `cut`: the connection breaks in the middle of the answer.
 * `sent` is called when the answer has been handed to the system.
 * @typedef {{ answer: Answer | "never" | "cut", sent?: () => void }} Reply
 *
 * @typedef {(asked: Asked) => Reply | Promise<Reply>} Take
 * @typedef {{ key: string, cert: string }} Tls PEM
 * @typedef {{ url: string, close: () => Promise<void> }} Listener `url` without a slash at its end
 *
 * @typedef {import("node:http").IncomingMessage | import("node:http2").Http2ServerRequest} Request
 * @typedef {import("node:http").ServerResponse | import("node:http2").Http2ServerResponse} Response
 */

const mostBytes = 1_000_000;

/** @param {Take} take @param {{ port?: number, tls?: Tls }} [where] port 0: any that is free @returns {Promise<Listener>} */
export async function listen(take, { port = 0, tls } = {}) {
  const handler = (/** @type {Request} */ request, /** @type {Response} */ response) => {
    exchange(take, request, response).catch((error) => {
      process.stderr.write(`${error.stack}\n`);
      connectionOf(request).destroy();
    });
  };
  const server = tls ? createSecureServer({ ...tls, allowHTTP1: true }, handler) : plain(handler);
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Without TLS nobody agrees on a version beforehand, but an HTTP/2 client begins with a word of its own. */
function plain(/** @type {(request: Request, response: Response) => void} */ handler) {
  const http1 = createHttp(handler);
  const http2 = createHttp2(handler);
  return createNet((socket) => {
    socket.once("data", (first) => {
      socket.pause();
      socket.unshift(first);
      (first.toString("latin1", 0, 3) === "PRI" ? http2 : http1).emit("connection", socket);
      process.nextTick(() => socket.resume());
    });
  });
}

/** @param {Take} take @param {Request} request @param {Response} response */
async function exchange(take, request, response) {
  const body = await bodyOf(request);
  if (!body) return;
  const { answer, sent } = await take({
    method: request.method ?? "",
    path: request.url ?? "",
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value ?? "")]),
    ),
    repeated: repeatedIn(request.rawHeaders),
    body,
    http: request.httpVersion === "2.0" ? "2.0" : "1.1",
    connection: connectionOf(request),
  });
  if (answer === "never") return;
  if (answer === "cut") return cut(request);
  // The two responses have the same methods, but not for the type checker.
  const writable = /** @type {import("node:http").ServerResponse} */ (response);
  writable.writeHead(answer.status, answer.headers);
  if (answer.stream) answer.stream(writable);
  else writable.end(answer.body ?? "", sent);
}

/** In the middle of the first line; HTTP/2 has no such thing as half of its first frame. @param {Request} request */
function cut(request) {
  if ("stream" in request) connectionOf(request).destroy();
  else request.socket.write("HTTP/1.1 200 O", () => request.socket.destroy());
}

/** @param {Request} request @returns {Promise<Buffer | undefined>} undefined: it broke off */
async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > mostBytes) throw new Error("more than anybody sends");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch {
    connectionOf(request).destroy();
    return undefined;
  }
}

/** @param {Request} request @returns {{ destroy: () => void }} */
function connectionOf(request) {
  const session = "stream" in request ? request.stream.session : undefined;
  return session ?? request.socket;
}

/** @param {string[]} raw names and values in turns */
function repeatedIn(raw) {
  const names = raw.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  return names.filter((name, at) => names.indexOf(name) !== at);
}
