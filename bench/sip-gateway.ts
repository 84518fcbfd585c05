/** A gateway for the benchmark: SIP over WebSocket with no media, in the benchmark's own process. The floor's legs call it, too. */
import type { IncomingInviteRequest } from "sip.js/lib/core/index.js";
import { type WebSocket, WebSocketServer } from "ws";
import { sipAnswerer } from "../test/support/gateway/sip-answerer";
import { freePort } from "../test/support/programs";

const answer = [
  "v=0",
  "o=- 1 1 IN IP4 127.0.0.1",
  "s=-",
  "c=IN IP4 127.0.0.1",
  "t=0 0",
  "m=audio 9 RTP/AVP 0",
  "",
].join("\r\n");

/** What has arrived, with the time. */
type Arrival =
  | { what: "invite"; at: number; invite: IncomingInviteRequest }
  | { what: "bye"; at: number }
  | { what: "floor"; at: number; socket: WebSocket };

export class SipGateway {
  readonly url: string;
  #waiting: ((arrival: Arrival) => void)[] = [];

  private constructor(
    private readonly server: WebSocketServer,
    port: number,
  ) {
    this.url = `ws://127.0.0.1:${port}`;
    server.on("connection", (socket) => {
      if (socket.protocol === "sip") this.#serve(socket);
      else socket.on("message", () => this.#arrived({ what: "floor", at: performance.now(), socket }));
    });
  }

  static async start(): Promise<SipGateway> {
    const port = await freePort();
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port,
      handleProtocols: (offered) => (offered.has("sip") ? "sip" : false),
    });
    await new Promise((resolve) => server.once("listening", resolve));
    return new SipGateway(server, port);
  }

  /** The next thing of this kind that arrives. */
  next<What extends Arrival["what"]>(what: What): Promise<Extract<Arrival, { what: What }>> {
    return new Promise((resolve) => {
      const look = (arrival: Arrival) => {
        if (arrival.what !== what) return;
        this.#waiting = this.#waiting.filter((other) => other !== look);
        resolve(arrival as Extract<Arrival, { what: What }>);
      };
      this.#waiting.push(look);
    });
  }

  /** Answers an INVITE with 200. */
  answer(invite: IncomingInviteRequest): void {
    const body = { contentDisposition: "session", contentType: "application/sdp", content: answer };
    invite.accept({ statusCode: 200, body }).session.delegate = {
      onBye: (bye) => {
        bye.accept();
        this.#arrived({ what: "bye", at: performance.now() });
      },
    };
  }

  stop(): void {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }

  #serve(socket: WebSocket): void {
    const answerer = sipAnswerer({
      protocol: "WS",
      at: "gateway.invalid",
      send: (text) => socket.send(text),
      onInvite: (invite) => this.#arrived({ what: "invite", at: performance.now(), invite }),
    });
    socket.on("message", (data) => answerer.receive(String(data)));
    socket.on("close", () => answerer.dispose());
  }

  #arrived(arrival: Arrival): void {
    for (const look of this.#waiting) look(arrival);
  }
}
