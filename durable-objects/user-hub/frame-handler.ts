import { log } from "../../core/log";
import { parseFrame, requestIdIn } from "../../core/signaling/parse-frame";
import {
  type ClientFrame,
  closeCodes,
  type ErrorBody,
  errorBody,
  fail,
  type Hello,
  type IceServersResult,
  limits,
  type MailPosition,
  ok,
  protocolVersions,
  type Result,
  type SendMessages,
  type SendOutcome,
  serverLimits,
} from "../../protocol";
import type { Env } from "../env";
import { userHub } from "../names";
import type { CallCarrier } from "./call-carrier";
import { type Connection, type Connections, isAvailable, keyOf, send } from "./connections";
import type { Instances } from "./instances";
import type { MailRoom } from "./mail-room";
import { FrameRate, TokenBucket } from "./rate";

interface Surroundings {
  env: Env;
  connections: Connections;
  calls: CallCarrier;
  instances: Instances;
  mail: () => MailRoom;
  send: (socket: WebSocket, frame: SendMessages) => Promise<SendOutcome[]>;
  now: () => number;
  iceServers: (reference: string) => Promise<Result<IceServersResult>>;
  /** The user's first connection has said hello. */
  cameOnline: () => void;
}

/** What clients say on their sockets, and what they get to hear. */
export class FrameHandler {
  readonly #rate = new FrameRate();
  /** What is above is not passed on: it is a hint for a display. */
  readonly #typing = new TokenBucket(2, 10);
  /** Each asks D1, which everybody shares. */
  readonly #reads = new TokenBucket(5, 50);
  /** A connection's frames about calls go to the sessions one after the other, so that order is kept. */
  readonly #queues = new WeakMap<WebSocket, Promise<void>>();

  constructor(private readonly hub: Surroundings) {}

  async handle(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const connection = this.hub.connections.of(socket);
    // A close is a request that a client may ignore: what it says after it counts for nothing.
    if (connection.closed) return;
    if (connection.expires !== undefined && connection.expires <= this.hub.now()) {
      return this.hub.connections.dismiss(socket, closeCodes.unauthorized, "tokenExpired");
    }
    const { wait, hopeless } = this.#rate.take(socket, this.hub.now());
    if (hopeless) return this.hub.connections.dismiss(socket, closeCodes.rateLimited, "rateLimited");
    if (wait > 0) {
      return this.#fail(socket, requestIdIn(message), errorBody("rateLimited", { retryAfter: wait }));
    }
    const parsed = parseFrame(message);
    if (!parsed.ok) return this.#refuseFrame(socket, parsed.id, parsed.error);
    if (connection.badFrames > 0) this.hub.connections.change(socket, { badFrames: 0 });
    const { frame } = parsed;
    try {
      if (frame.type === "hello") await this.#hello(socket, connection, frame);
      else if (connection.connectionId) await this.#dispatch(socket, connection, frame);
      else this.hub.connections.dismiss(socket, closeCodes.helloExpected, "hello expected");
    } catch (error) {
      log("error", "frame.failed", {
        reference: connection.reference,
        type: frame.type,
        error: String(error),
      });
      this.#fail(socket, "id" in frame ? frame.id : null, errorBody("internal"));
    }
  }

  async #dispatch(
    socket: WebSocket,
    connection: Connection,
    frame: Exclude<ClientFrame, Hello>,
  ): Promise<void> {
    const { calls, connections, iceServers } = this.hub;
    switch (frame.type) {
      case "call":
        return this.#inOrder(socket, async () => {
          this.#answer(socket, frame.id, await calls.call(socket, frame));
        });
      case "ack":
        if (frame.mail) await this.hub.mail().acknowledge(socket, frame.mail);
        if (frame.calls.length > 0) await this.#inOrder(socket, () => calls.acknowledge(socket, frame));
        return;
      case "relay":
        return this.#inOrder(socket, () => calls.relay(socket, frame.calls));
      case "send":
        return this.#answer(socket, frame.id, ok({ results: await this.hub.send(socket, frame) }));
      case "read": {
        const wait = this.#reads.take(this.hub.now());
        if (wait > 0) return this.#fail(socket, frame.id, errorBody("rateLimited", { retryAfter: wait }));
        await this.hub.mail().read(socket, frame);
        return this.#answer(socket, frame.id, ok({}));
      }
      case "typing":
        return this.#tellTyping(connection, frame.to);
      case "state": {
        const was = isAvailable(connection);
        const now = connections.change(socket, frame.state);
        this.#answer(socket, frame.id, ok({}));
        if (!was && isAvailable(now)) await this.#inOrder(socket, () => calls.resume(socket, [], true));
        return;
      }
      case "iceServers":
        return this.#answer(socket, frame.id, await iceServers(connection.reference));
      case "presence":
        return this.#answer(socket, frame.id, await this.#presence(connection, frame.userId));
      case "goodbye":
        connections.change(socket, { listening: false });
        await calls.leave(socket, "gone");
        connections.change(socket, { calls: [] });
    }
  }

  async #hello(socket: WebSocket, connection: Connection, hello: Hello): Promise<void> {
    if (connection.connectionId) {
      return this.#fail(socket, null, errorBody("conflict", { detail: "hello was said" }));
    }
    const { connections } = this.hub;
    const { userId, instanceId, reference } = connection;
    const version = Math.max(...protocolVersions.filter((one) => hello.versions.includes(one)));
    if (version < 1) {
      const error = errorBody("versionRefused", { reference });
      send(socket, { type: "refused", versions: protocolVersions, error });
      return connections.dismiss(socket, closeCodes.versionRefused, error.name);
    }
    const key = keyOf({ ...connection, connectionId: hello.connectionId });
    const former = connections.all().find((one) => one.key === key);
    const calls = hello.calls
      .map(({ callId, origin }) => ({ callId, origin }))
      .slice(0, limits.callsPerConnection);
    const now = connections.change(socket, { connectionId: hello.connectionId, ...hello.state, calls });
    // Its calls go on here: the sessions need not hear that the former socket is gone.
    if (former) {
      connections.change(former.socket, { calls: [] });
      connections.dismiss(former.socket, closeCodes.replaced, "replaced");
    }
    const time = this.hub.now();
    send(socket, {
      type: "welcome",
      version,
      versions: protocolVersions,
      userId,
      instanceId,
      time,
      reference,
    });
    log("info", "connection.opened", {
      reference,
      instance: instanceId,
      sdk: hello.sdk,
      calls: calls.length,
    });
    if (connections.all().length === 1) this.hub.cameOnline();
    await this.#openMail(socket, instanceId, hello.mail);
    await this.#inOrder(socket, () => this.hub.calls.resume(socket, hello.calls, isAvailable(now)));
  }

  async #openMail(socket: WebSocket, instanceId: string, position: MailPosition | undefined): Promise<void> {
    const { instances, mail } = this.hub;
    instances.setMessages(instanceId, position !== undefined, mail().last);
    if (!position) return;
    const reader = instances.readers(this.hub.now()).find((one) => one.instanceId === instanceId);
    await mail().open(socket, instanceId, reader?.start ?? 0, position);
  }

  async #tellTyping({ applicationKey, userId }: Connection, to: string[]): Promise<void> {
    if (this.#typing.take(this.hub.now()) > 0) return;
    const others = new Set(to.filter((recipient) => recipient !== userId));
    await Promise.allSettled(
      [...others].map((recipient) =>
        userHub(this.hub.env, { applicationKey, userId: recipient }).typing(userId),
      ),
    );
  }

  async #presence(connection: Connection, userId: string) {
    const { applicationKey } = connection;
    const { known, online, lastSeen } = await userHub(this.hub.env, { applicationKey, userId }).presence();
    return known ? ok({ online, lastSeen }) : fail("userUnknown");
  }

  /** One after the other for this socket; one that fails does not hold up the next. */
  #inOrder(socket: WebSocket, run: () => Promise<void>): Promise<void> {
    const next = (this.#queues.get(socket) ?? Promise.resolve()).then(run);
    const settled = next.catch(() => {});
    this.#queues.set(socket, settled);
    return next;
  }

  #answer(socket: WebSocket, id: number, result: Result<object>): void {
    if (result.ok) send(socket, { type: "answer", id, result: result.value as Record<string, never> });
    else this.#fail(socket, id, result.error);
  }

  #refuseFrame(socket: WebSocket, id: number | null, error: ErrorBody): void {
    const badFrames = this.hub.connections.of(socket).badFrames + 1;
    this.#fail(socket, id, error);
    if (badFrames < serverLimits.badFrames) this.hub.connections.change(socket, { badFrames });
    else this.hub.connections.dismiss(socket, closeCodes.tooManyBadFrames, "too many bad frames");
  }

  #fail(socket: WebSocket, id: number | null, error: ErrorBody): void {
    const { reference } = this.hub.connections.of(socket);
    send(socket, { type: "error", id, error: { reference, ...error } });
  }
}
