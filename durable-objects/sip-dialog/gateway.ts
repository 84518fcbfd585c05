/** The way to a gateway: SIP over secure WebSocket (RFC 7118), opened from here. */
import { within } from "../../core/within";

export type Opened = { socket: WebSocket } | { problem: string };

/** The socket, not accepted yet, or what is wrong in words for a person. Never longer than `ms`. */
export async function openGateway(url: string, ms: number): Promise<Opened> {
  // ws: and wss: are http: and https: to fetch().
  const address = url.replace(/^ws/i, "http");
  const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": "sip" };
  const aborter = new AbortController();
  try {
    const asked = fetch(address, { headers, redirect: "manual", signal: aborter.signal });
    // One that comes too late is nobody's.
    asked.then((late) => aborter.signal.aborted && close(late.webSocket)).catch(() => {});
    return await socketOf(await within(ms, asked));
  } catch (error) {
    aborter.abort();
    const text = error instanceof Error ? error.message : String(error);
    if (/^no answer within/.test(text)) return { problem: text };
    // The runtime's own words for an unknown host are a number.
    const more = /^internal error/.test(text) ? "" : ` (${text.slice(0, 200)})`;
    return { problem: `it cannot be connected to: check its host, its port and its certificate${more}` };
  }
}

async function socketOf(response: Response): Promise<Opened> {
  const { webSocket: socket, status } = response;
  if (!socket) {
    await response.body?.cancel().catch(() => {});
    // Cloudflare's: it has not reached the host.
    const why = status >= 520 && status <= 530 ? "the host is unknown or down" : "is the path right?";
    return { problem: `it answered HTTP ${status} instead of opening a WebSocket: ${why}` };
  }
  const chosen = response.headers.get("sec-websocket-protocol");
  if (chosen?.toLowerCase() !== "sip") {
    close(socket);
    return { problem: `it opened a WebSocket that does not speak SIP (subprotocol ${chosen ?? "none"})` };
  }
  socket.binaryType = "arraybuffer";
  return { socket };
}

function close(socket: WebSocket | null): void {
  socket?.accept();
  socket?.close(1000);
}

/** A message as text, whichever way it was sent. */
export function textOf(data: string | ArrayBuffer | Blob): string {
  if (typeof data === "string") return data;
  return data instanceof ArrayBuffer ? new TextDecoder().decode(data) : "";
}
