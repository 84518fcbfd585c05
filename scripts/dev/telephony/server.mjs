// @ts-check
/** The network's port: SIP over WebSocket at `/sip`, and the page that plays all phones. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { Network } from "./network.mjs";

/**
 * `url`: of the page; `sip`: what a trunk dials.
 * @typedef {{ url: string, sip: string, close: () => Promise<void> }} Telephony
 */

/**
 * @param {{ port?: number, account: import("./digest.mjs").Account, files: Record<string, { type: string, body: string }>, onProblem?: (problem: string) => void }} options
 *   `port` 0: any that is free; `files`: by path
 * @returns {Promise<Telephony>}
 */
export async function startTelephony({ port = 0, account, files, onProblem }) {
  const server = createServer(({ method, url = "/", headers }, response) => {
    const file = files[new URL(url, "http://phones").pathname];
    const status = !isHere(headers.host) ? 403 : method === "GET" && file ? 200 : 404;
    response.setHeader("content-type", status === 200 && file ? file.type : "text/plain; charset=utf-8");
    response.setHeader("cache-control", "no-store");
    response.writeHead(status).end(status === 200 ? file?.body : "There is no such thing here.");
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const place = `127.0.0.1:${address.port}`;
  const network = new Network({
    ...{ account, place, onProblem },
    randomText: () => randomBytes(12).toString("hex"),
    after: (milliseconds, what) => setTimeout(what, milliseconds).unref(),
  });
  const sockets = openTo(network, onProblem);
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => {});
    const { host, origin, "sec-websocket-protocol": protocols = "" } = request.headers;
    // Any page that somebody visits could dial this machine.
    const page =
      origin !== undefined && [`http://${place}`, `http://localhost:${address.port}`].includes(origin);
    const allowed = isHere(host) && (origin === undefined || page);
    const fits = request.url === "/sip" && protocols.split(/\s*,\s*/).includes("sip");
    if (!allowed || !fits)
      return socket.end(`HTTP/1.1 ${allowed ? "400 Bad Request" : "403 Forbidden"}\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit("connection", opened, page));
  });
  return {
    url: `http://${place}`,
    sip: `ws://${place}/sip`,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Other names of this machine may be somebody else's. @param {string | undefined} host */
const isHere = (host) => /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? "");

/** @param {Network} network @param {((problem: string) => void) | undefined} onProblem */
function openTo(network, onProblem) {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 128_000,
    handleProtocols: () => "sip",
  });
  sockets.on("connection", (/** @type {import("ws").WebSocket} */ socket, /** @type {boolean} */ page) => {
    const peer = {
      send: (/** @type {string} */ text) => socket.send(text, () => {}),
      close: () => socket.close(1002),
      page,
    };
    socket.on("error", () => {});
    socket.on("close", () => network.closed(peer));
    socket.on("message", (data) => {
      try {
        network.receive(peer, String(data));
      } catch (error) {
        onProblem?.(String(error));
        socket.close(1002);
      }
    });
  });
  return sockets;
}
