import { mayCall } from "../../core/applications/applications";
import { log } from "../../core/log";
import { parseFrame } from "../../core/signaling/parse-frame";
import {
  type Ack,
  type CallFrame,
  type CallPosition,
  type CallRequest,
  type CallResult,
  type ClientFrame,
  closeCodes,
  type ErrorBody,
  errorBody,
  fail,
  type Hello,
  type IceServersResult,
  limits,
  ok,
  parseAddress,
  protocolVersions,
  type Result,
} from "../../protocol";
import type { SessionRequest } from "../call-session/rpc";
import type { Env } from "../env";
import { callSession, userHub } from "../names";
import { type Connection, type Connections, isAvailable, keyOf, partyOf, send } from "./connections";
import { FrameRate } from "./rate";
import type { Ringing } from "./ringing";
import type { UserAddress } from "./rpc";

interface Surroundings {
  env: Env;
  connections: Connections;
  ringing: Ringing;
  now: () => number;
  iceServers: (reference: string) => Promise<Result<IceServersResult>>;
  /** The user's first connection has said hello. */
  cameOnline: () => void;
}

/** What clients say on their sockets, and what they get to hear. */
export class FrameHandler {
  readonly #rate = new FrameRate();
  /** A connection's frames about calls go to the sessions one after the other, so that order is kept. */
  readonly #queues = new WeakMap<WebSocket, Promise<void>>();
  /** While a connection resumes, new events wait behind the ones that it missed. */
  readonly #held = new WeakMap<WebSocket, CallFrame[]>();

  constructor(private readonly hub: Surroundings) {}

  async handle(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const { wait, hopeless } = this.#rate.take(socket, this.hub.now());
    if (hopeless) return socket.close(closeCodes.rateLimited, "rateLimited");
    const parsed = parseFrame(message);
    if (wait > 0) {
      const id = parsed.ok && "id" in parsed.frame ? parsed.frame.id : null;
      return this.#fail(socket, id, errorBody("rateLimited", { retryAfter: wait }));
    }
    if (!parsed.ok) return this.#refuseFrame(socket, parsed.id, parsed.error);

    const connection = this.hub.connections.of(socket);
    if (connection.badFrames > 0) this.hub.connections.change(socket, { badFrames: 0 });
    if (parsed.frame.type === "hello") return this.#hello(socket, connection, parsed.frame);
    if (!connection.connectionId) return socket.close(closeCodes.helloExpected, "hello expected");
    return this.#dispatch(socket, connection, parsed.frame);
  }

  /** Hands an event to a connection, in order. */
  deliver(socket: WebSocket, frame: CallFrame): void {
    const held = this.#held.get(socket);
    if (held) held.push(frame);
    else send(socket, frame);
  }

  /** Tells the sessions of this connection's calls that its socket is gone. */
  async socketGone(socket: WebSocket): Promise<void> {
    const connection = this.hub.connections.of(socket);
    // A connection that came back on another socket has taken its calls along.
    const key = keyOf(connection);
    if (this.hub.connections.all().some((one) => one.socket !== socket && one.key === key)) return;
    await this.#eachSession(connection, (session) => session.away(partyOf(connection)));
  }

  // ---- one frame ------------------------------------------------------------------------------

  async #dispatch(
    socket: WebSocket,
    connection: Connection,
    frame: Exclude<ClientFrame, Hello>,
  ): Promise<void> {
    switch (frame.type) {
      case "call":
        return this.#inOrder(socket, () => this.#call(socket, frame));
      case "ack":
        return this.#inOrder(socket, () => this.#acknowledge(socket, frame));
      case "state": {
        const was = isAvailable(connection);
        const now = this.hub.connections.change(socket, frame.state);
        this.#answer(socket, frame.id, ok({}));
        if (!was && isAvailable(now)) await this.#inOrder(socket, () => this.#resume(socket, [], true));
        return;
      }
      case "iceServers":
        return this.#answer(socket, frame.id, await this.hub.iceServers(connection.reference));
      case "presence":
        return this.#answer(socket, frame.id, await this.#presence(connection, frame.userId));
      case "goodbye":
        this.hub.connections.change(socket, { calls: [], listening: false });
        return this.#eachSession(connection, (session) => session.gone(partyOf(connection)));
    }
  }

  async #hello(socket: WebSocket, connection: Connection, hello: Hello): Promise<void> {
    if (connection.connectionId) {
      return this.#fail(socket, null, errorBody("conflict", { detail: "hello was said" }));
    }
    const version = Math.max(...protocolVersions.filter((one) => hello.versions.includes(one)));
    if (version < 1) {
      const error = errorBody("versionRefused", { reference: connection.reference });
      send(socket, { type: "refused", versions: protocolVersions, error });
      return socket.close(closeCodes.versionRefused, error.name);
    }
    const { userId, instanceId, reference } = connection;
    const key = keyOf({ ...connection, connectionId: hello.connectionId });
    const former = this.hub.connections.all().find((one) => one.key === key);
    const calls = hello.calls
      .map(({ callId, origin }) => ({ callId, origin }))
      .slice(0, limits.callsPerConnection);
    const now = this.hub.connections.change(socket, {
      connectionId: hello.connectionId,
      ...hello.state,
      calls,
    });
    if (former) {
      this.hub.connections.change(former.socket, { calls: [] });
      former.socket.close(closeCodes.replaced, "replaced");
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
    if (this.hub.connections.all().length === 1) this.hub.cameOnline();
    await this.#inOrder(socket, () => this.#resume(socket, hello.calls, isAvailable(now)));
  }

  async #call(socket: WebSocket, frame: CallRequest): Promise<void> {
    const { callId, origin, n, ack, op } = frame;
    const connection = this.hub.connections.of(socket);
    const own = connection.calls.some((call) => call.callId === callId);
    const takes = !own && (op.op === "start" || op.op === "answer");
    let callee: UserAddress | undefined;
    if (op.op === "start") {
      const resolved = await this.#resolve(connection, op.to);
      if (!resolved.ok) return this.#answer(socket, frame.id, resolved);
      callee = resolved.value;
    }
    if (takes) {
      if (connection.calls.length >= limits.callsPerConnection) {
        const detail = `${limits.callsPerConnection} calls at a time`;
        return this.#answer(socket, frame.id, fail("rateLimited", { detail, retryAfter: 5 }));
      }
      this.#keep(socket, [...connection.calls, { callId, origin }]);
    }
    const application = op.op === "start" ? connection.applicationKey : (origin ?? connection.applicationKey);
    const { reference } = connection;
    const from = partyOf(connection);
    const result = await this.#operate(application, { from, callId, n, ack, op, callee, reference });
    if (result.ok ? result.value.ended : takes) {
      this.#keep(
        socket,
        this.hub.connections.of(socket).calls.filter((call) => call.callId !== callId),
      );
    }
    this.#answer(socket, frame.id, result);
  }

  /** An operation that was applied is not applied again, so one that met a restart is simply repeated. */
  async #operate(application: string, request: SessionRequest): Promise<Result<CallResult>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await callSession(this.hub.env, application, request.callId).operate(request);
      } catch (error) {
        log("warn", "session.failed", { reference: request.reference, attempt, error: String(error) });
        if (attempt === 3) return fail("unavailable");
      }
    }
  }

  /** Asks the sessions what this connection has missed; with `offers`, also the calls that ring now. */
  async #resume(socket: WebSocket, positions: CallPosition[], offers: boolean): Promise<void> {
    const connection = this.hub.connections.of(socket);
    const rings = offers ? this.hub.ringing.at(this.hub.now()) : [];
    const offered = rings.filter((ring) => !positions.some(({ callId }) => callId === ring.callId));
    if (positions.length + offered.length === 0) return;

    const held: CallFrame[] = [];
    this.#held.set(socket, held);
    const newest = new Map<string, number>();
    try {
      for (const { callId, origin, ack } of [...positions, ...offered.map((ring) => ({ ...ring, ack: 0 }))]) {
        const session = callSession(this.hub.env, origin ?? connection.applicationKey, callId);
        const { known, n, frames } = await session.sync(partyOf(connection), ack);
        for (const frame of frames) send(socket, frame);
        newest.set(callId, frames.at(-1)?.seq ?? ack);
        const asked = positions.some((position) => position.callId === callId);
        if (known || asked) send(socket, { type: "synced", callId, n, ...(!known && { unknown: true }) });
      }
    } finally {
      this.#held.delete(socket);
      for (const frame of held) if (frame.seq > (newest.get(frame.callId) ?? 0)) send(socket, frame);
    }
  }

  async #acknowledge(socket: WebSocket, { calls }: Ack): Promise<void> {
    const connection = this.hub.connections.of(socket);
    for (const { callId, origin, ack } of calls) {
      if (!connection.calls.some((call) => call.callId === callId)) continue;
      const session = callSession(this.hub.env, origin ?? connection.applicationKey, callId);
      await session.acknowledge(partyOf(connection), ack);
    }
  }

  async #presence(connection: Connection, userId: string) {
    const { applicationKey } = connection;
    const { known, online, lastSeen } = await userHub(this.hub.env, { applicationKey, userId }).presence();
    return known ? ok({ online, lastSeen }) : fail("userUnknown");
  }

  async #resolve(connection: Connection, to: string): Promise<Result<UserAddress>> {
    const { userId, applicationKey = connection.applicationKey } = parseAddress(to);
    if (applicationKey !== connection.applicationKey) {
      if (!(await mayCall(this.hub.env.DB, connection.applicationKey, applicationKey)))
        return fail("userUnknown");
    } else if (userId === connection.userId) {
      return fail("invalidValue", { detail: "a user cannot call itself" });
    }
    return ok({ applicationKey, userId });
  }

  // ---- small things ---------------------------------------------------------------------------

  async #eachSession(
    connection: Connection,
    tell: (session: ReturnType<typeof callSession>) => Promise<unknown>,
  ): Promise<void> {
    const { applicationKey, calls } = connection;
    await Promise.all(
      calls.map(({ callId, origin }) => tell(callSession(this.hub.env, origin ?? applicationKey, callId))),
    );
  }

  /** One after the other for this socket. What fails unexpectedly is logged, and fails for one frame only. */
  #inOrder(socket: WebSocket, run: () => Promise<void>): Promise<void> {
    const next = (this.#queues.get(socket) ?? Promise.resolve()).then(run).catch((error: unknown) => {
      const { reference } = this.hub.connections.of(socket);
      log("error", "frame.failed", { reference, error: String(error) });
      this.#fail(socket, null, errorBody("internal", { reference }));
    });
    this.#queues.set(socket, next);
    return next;
  }

  #keep(socket: WebSocket, calls: Connection["calls"]): void {
    this.hub.connections.change(socket, { calls });
  }

  #answer(socket: WebSocket, id: number, result: Result<object>): void {
    if (result.ok) send(socket, { type: "answer", id, result: result.value as Record<string, never> });
    else this.#fail(socket, id, result.error);
  }

  #refuseFrame(socket: WebSocket, id: number | null, error: ErrorBody): void {
    const badFrames = this.hub.connections.of(socket).badFrames + 1;
    this.#fail(socket, id, error);
    if (badFrames >= limits.badFrames) socket.close(closeCodes.tooManyBadFrames, "too many bad frames");
    else this.hub.connections.change(socket, { badFrames });
  }

  #fail(socket: WebSocket, id: number | null, error: ErrorBody): void {
    const { reference } = this.hub.connections.of(socket);
    send(socket, { type: "error", id, error: { reference, ...error } });
  }
}
