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
    return {
      problem: /no answer within/.test(text) ? text : `it cannot be connected to: ${text.slice(0, 200)}`,
    };
  }
}

async function socketOf(response: Response): Promise<Opened> {
  const { webSocket: socket, status } = response;
  if (!socket) {
    await response.body?.cancel().catch(() => {});
    return { problem: `it answered HTTP ${status} instead of opening a WebSocket: is the path right?` };
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
