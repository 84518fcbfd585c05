/** The sockets of one user. Their facts are in the attachments, which survive hibernation. */
import { limits, type ServerFrame } from "../../protocol";
import type { Party } from "./rpc";

/** What is known of a socket; at most 16 KiB as an attachment. */
export interface Connection {
  applicationKey: string;
  userId: string;
  instanceId: string;
  reference: string;
  /** Missing until hello. */
  connectionId?: string;
  listening: boolean;
  background: boolean;
  /** Calls that this connection made or answered: their sessions want to know when it goes. */
  calls: { callId: string; origin?: string }[];
  badFrames: number;
}

export class Connections {
  constructor(private readonly ctx: DurableObjectState) {}

  of(socket: WebSocket): Connection {
    return socket.deserializeAttachment() as Connection;
  }

  change(socket: WebSocket, change: Partial<Connection>): Connection {
    const connection = { ...this.of(socket), ...change };
    socket.serializeAttachment(connection);
    return connection;
  }

  /** Those that have said hello and are open. */
  all(): { socket: WebSocket; connection: Connection; key: string }[] {
    return this.ctx.getWebSockets().flatMap((socket) => {
      if (socket.readyState !== WebSocket.OPEN) return [];
      const connection = this.of(socket);
      return connection.connectionId ? [{ socket, connection, key: keyOf(connection) }] : [];
    });
  }

  get full(): boolean {
    return this.ctx.getWebSockets().length >= limits.connectionsPerUser;
  }

  countOf(instanceId: string): number {
    return this.ctx.getWebSockets(instanceId).length;
  }

  /** Closes every socket of an instance, or of all. */
  close(instanceId: string | undefined, code: number, reason: string): void {
    for (const socket of this.ctx.getWebSockets(instanceId)) socket.close(code, reason);
  }
}

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
