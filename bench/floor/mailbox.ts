/**
 * The naive floor of a message: what one would write in an afternoon. A frame to the sender's
 * object, which writes a durable row and asks each recipient's object, which writes a durable row
 * and sends the message to its sockets; then the answer goes back to the sender. One row on each
 * side and one RPC per message, nothing batched, nothing checked.
 */
import { DurableObject } from "cloudflare:workers";

export interface MailboxEnv {
  MAILBOX: DurableObjectNamespace<Mailbox>;
}

interface Letter {
  id: string;
  from: string;
  to: string[];
  text: string;
  /** Only the recipient writes a row: the least that a message which must not be lost can do. */
  oneRow?: boolean;
}

/** What a client says: a message, or that it has one. */
type Frame = { send: Letter } | { has: Pick<Letter, "id" | "from"> };

export class Mailbox extends DurableObject<MailboxEnv> {
  override async fetch(): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, text: string): Promise<void> {
    const frame = JSON.parse(text) as Frame;
    if ("has" in frame) return this.#of(frame.has.from).delivered(frame.has.id);
    const letter = frame.send;
    if (!letter.oneRow) this.ctx.storage.kv.put(`sent:${letter.id}`, letter);
    await Promise.all(letter.to.map((recipient) => this.#of(recipient).take(letter)));
    socket.send(JSON.stringify({ sent: letter.id }));
  }

  async take(letter: Letter): Promise<void> {
    this.ctx.storage.kv.put(`got:${letter.id}`, letter);
    this.#tell({ incoming: letter });
  }

  async delivered(id: string): Promise<void> {
    this.#tell({ delivered: id });
  }

  #of(user: string): DurableObjectStub<Mailbox> {
    return this.env.MAILBOX.get(this.env.MAILBOX.idFromName(user));
  }

  #tell(frame: object): void {
    for (const socket of this.ctx.getWebSockets()) socket.send(JSON.stringify(frame));
  }
}
