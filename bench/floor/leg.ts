/** The floor of a call to a phone: an object that opens a WebSocket to the gateway, writes a row, and carries frames. */
import { DurableObject } from "cloudflare:workers";
import type { Relay } from "./index";

export interface LegEnv {
  RELAY: DurableObjectNamespace<Relay>;
}

export class Leg extends DurableObject<LegEnv> {
  /** Sends the id to the gateway; what the gateway says goes back through these objects, the first of which writes a row. */
  async dial({ url, id, back }: { url: string; id: number; back: string[] }): Promise<void> {
    this.ctx.storage.kv.put("row", id);
    const { webSocket } = await fetch(url, { headers: { upgrade: "websocket" } });
    if (!webSocket) throw new Error("no gateway");
    webSocket.accept();
    webSocket.addEventListener("message", () => {
      const relay = this.env.RELAY.get(this.env.RELAY.idFromName(back[0] ?? ""));
      this.ctx.waitUntil(relay.pass({ path: back, writes: back[0], id }));
      webSocket.close(1000);
    });
    webSocket.send(JSON.stringify({ id }));
  }
}
