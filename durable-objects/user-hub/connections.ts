/** The sockets of one user. Their facts are in the attachments, which survive hibernation. */
import { closeCodes, type ServerFrame, serverLimits } from "../../protocol";
import type { Party } from "./rpc";

/** What is known of a socket; at most 16 KiB as an attachment. */
export interface Connection {
  applicationKey: string;
  userId: string;
  instanceId: string;
  reference: string;
  /** When it was opened, milliseconds since 1970. */
  since: number;
  /** Missing until hello. */
  connectionId?: string;
  listening: boolean;
  background: boolean;
  /** Calls that this connection made or answered: their sessions want to know when it goes. */
  calls: { callId: string; origin?: string; line?: true }[];
  badFrames: number;
  /** When it last said something, about; milliseconds since 1970. Pings are not in it. */
  heard?: number;
  /** Milliseconds since 1970: the token's or the instance's end. */
  expires?: number;
  /** It was told to close. */
  closed?: true;
  /** Missing: no messages here. */
  mail?: MailState;
}

/** How far a connection is with its user's mailbox. The attachment outlives a sleep of the hub without a written row. */
export interface MailState {
  /** Acknowledged by this connection. */
  ack: number;
  /** Sent to it. */
  told: number;
  /** Messages that were sent and not acknowledged, and roughly how many characters. */
  out: number;
  size: number;
  /** What the hub knows of the archive. */
  archived: number;
  stated: number;
}

export class Connections {
  /** What the attachments say: reading one costs more than anything else that a frame needs. */
  readonly #known = new WeakMap<WebSocket, Connection>();
  readonly #heard = new WeakMap<WebSocket, number>();
  /** The sockets that are there; null when they have to be looked up. */
  #sockets: WebSocket[] | null = null;

  constructor(private readonly ctx: DurableObjectState) {}

  /** Takes a new socket in. */
  accept(socket: WebSocket, connection: Connection): void {
    this.ctx.acceptWebSocket(socket, [connection.instanceId]);
    socket.serializeAttachment(connection);
    this.#sockets = null;
  }

  /** A socket has closed. It may still seem open. */
  left(socket: WebSocket): Connection {
    this.#sockets = null;
    const connection: Connection = { ...this.of(socket), closed: true };
    this.#known.set(socket, connection);
    return connection;
  }

  of(socket: WebSocket): Connection {
    const known = this.#known.get(socket);
    if (known) return known;
    const connection = socket.deserializeAttachment() as Connection;
    this.#known.set(socket, connection);
    return connection;
  }

  change(socket: WebSocket, change: Partial<Connection>): Connection {
    const connection = { ...this.of(socket), ...change };
    socket.serializeAttachment(connection);
    this.#known.set(socket, connection);
    return connection;
  }

  /** It said something. The attachment, which outlives a sleep, need not know it to the second. */
  heard(socket: WebSocket, now: number): void {
    this.#heard.set(socket, now);
    const { heard = 0 } = this.of(socket);
    if (now - heard > heardMs) this.change(socket, { heard: now });
  }

  /** It has said nothing for so long, not even a ping, that nobody may be there: a closed lid says no good-bye. */
  isSilent(socket: WebSocket, now: number): boolean {
    const { since, heard = 0 } = this.of(socket);
    const ping = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    const last = Math.max(since, heard, ping, this.#heard.get(socket) ?? 0);
    return now - last > serverLimits.silentSeconds * 1_000;
  }

  /** Those that have said hello and were not told to close. */
  all(): { socket: WebSocket; connection: Connection; key: string }[] {
    this.#sockets ??= this.ctx.getWebSockets();
    return this.#sockets.flatMap((socket) => {
      if (socket.readyState !== WebSocket.OPEN) return [];
      const connection = this.of(socket);
      return connection.connectionId && !connection.closed
        ? [{ socket, connection, key: keyOf(connection) }]
        : [];
    });
  }

  get full(): boolean {
    return this.#open(undefined).length >= serverLimits.connectionsPerUser;
  }

  /** Closes those that have not said hello in time. Done when another one comes: a timer would keep the object awake. */
  sweep(now: number): void {
    for (const socket of this.ctx.getWebSockets()) {
      const { connectionId, closed, since } = this.of(socket);
      const late = !connectionId && !closed && now - since > serverLimits.helloSeconds * 1_000;
      if (late) this.dismiss(socket, closeCodes.helloExpected, "hello expected");
    }
  }

  /** Those that messages go to. */
  withMail(): { socket: WebSocket; connection: Connection; mail: MailState }[] {
    return this.all().flatMap(({ socket, connection }) =>
      connection.mail ? [{ socket, connection, mail: connection.mail }] : [],
    );
  }

  /** Those of an instance that were not told to close. */
  countOf(instanceId: string): number {
    return this.#open(instanceId).length;
  }

  /** The sockets of an instance, or all. */
  socketsOf(instanceId: string | undefined): WebSocket[] {
    return this.ctx.getWebSockets(instanceId);
  }

  #open(instanceId: string | undefined): WebSocket[] {
    return this.ctx.getWebSockets(instanceId).filter((socket) => !this.of(socket).closed);
  }

  /** Closes a socket, and sees to it that nothing which it still says is heard. */
  dismiss(socket: WebSocket, code: number, reason: string): void {
    this.change(socket, { closed: true });
    socket.close(code, reason);
  }
}

const heardMs = 20_000;

/** Whether calls ring here. */
export function isAvailable(connection: Connection): boolean {
  return connection.listening && !connection.background;
}

export function keyOf(connection: Connection): string {
  return `${connection.instanceId}/${connection.connectionId}`;
}

export function partyOf(connection: Connection): Party {
  const { applicationKey, userId, instanceId, connectionId = "" } = connection;
  return { applicationKey, userId, instanceId, connectionId };
}

export function send(socket: WebSocket, frame: ServerFrame): void {
  try {
    socket.send(JSON.stringify(frame));
  } catch {
    // It closed meanwhile; what matters is sent again on resume.
  }
}
