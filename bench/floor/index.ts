/**
 * The floor: what a signalling step costs when nothing is done but carry it. A frame goes through a
 * chain of objects, each by one RPC, into a hibernating socket; on demand one object of the chain
 * writes one durable row first, as a step does that must not be lost. At the end of the chain, posts
 * may leave for a push service by way of the Worker, a leg calls a gateway, or the frame goes on along
 * many chains at once.
 */
import { DurableObject } from "cloudflare:workers";
import { courier } from "./courier";
import type { Leg } from "./leg";
import type { MailboxEnv } from "./mailbox";
import type { Post } from "./post";

export { Courier } from "./courier";
export { Leg } from "./leg";
export { Mailbox } from "./mailbox";

interface Env extends MailboxEnv {
  RELAY: DurableObjectNamespace<Relay>;
  LEG: DurableObjectNamespace<Leg>;
}

interface Frame {
  /** The objects still to pass, the last of them holding the receiver's socket. */
  path: string[];
  /** The object of the chain that writes a row. */
  writes?: string;
  id: number;
  /** What the last object sends out, instead of telling its sockets. */
  posts?: Post[];
  /** The gateway that a leg calls after the last object, instead of telling its sockets. */
  gateway?: { url: string; back: string[] };
  /** The last object passes it on along all of these at once, and the first object of each writes a row. */
  fan?: string[][];
}

/** As the platform has it. */
const postsAtATime = 40;

export class Relay extends DurableObject<Env> {
  override async fetch(): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(_socket: WebSocket, text: string): Promise<void> {
    await this.pass(JSON.parse(text) as Frame);
  }

  async pass(frame: Frame): Promise<void> {
    const [here, next, ...rest] = frame.path;
    if (frame.writes && frame.writes === here) this.ctx.storage.kv.put("row", frame.id);
    if (next) {
      await this.#relay(next).pass({ ...frame, path: [next, ...rest] });
    } else if (frame.fan) {
      const { fan, id } = frame;
      await Promise.all(fan.map((path) => this.#relay(path[0]).pass({ path, writes: path[0], id })));
    } else if (frame.gateway) {
      const leg = this.env.LEG.get(this.env.LEG.newUniqueId());
      await leg.dial({ ...frame.gateway, id: frame.id });
    } else if (frame.posts) {
      for (let at = 0; at < frame.posts.length; at += postsAtATime)
        await courier(this.ctx).send(frame.posts.slice(at, at + postsAtATime));
    } else {
      for (const socket of this.ctx.getWebSockets()) socket.send(JSON.stringify({ id: frame.id }));
    }
  }

  async write(id: number): Promise<number> {
    this.ctx.storage.kv.put("row", id);
    return id;
  }

  #relay(name = ""): DurableObjectStub<Relay> {
    return this.env.RELAY.get(this.env.RELAY.idFromName(name));
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/mailbox/"))
      return env.MAILBOX.get(env.MAILBOX.idFromName(pathname.slice(9))).fetch(request);
    const stub = env.RELAY.get(env.RELAY.idFromName(pathname.slice(1)));
    if (request.headers.get("upgrade") === "websocket") return stub.fetch(request);
    const frame = (await request.json()) as { id: number } & Partial<Frame>;
    // Answered when it has come to its end, as a request of an app's server is.
    if (frame.path) await stub.pass({ ...frame, path: frame.path });
    return Response.json({ id: frame.path ? frame.id : await stub.write(frame.id) });
  },
} satisfies ExportedHandler<Env>;
