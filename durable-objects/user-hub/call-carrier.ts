import { mayCall } from "../../core/applications/applications";
import type { CallUser } from "../../core/calls/call-data";
import { log } from "../../core/log";
import { resolveLine } from "../../core/telephony/address";
import {
  type Ack,
  type CallFrame,
  type CallOperation,
  type CallPosition,
  type CallRequest,
  type CallResult,
  closeCodes,
  fail,
  isConferenceId,
  isUserId,
  limits,
  ok,
  parseAddress,
  type Result,
  serverLimits,
} from "../../protocol";
import type { Env } from "../env";
import { callSession } from "../names";
import { type Connection, type Connections, partyOf, send } from "./connections";
import { TokenBucket } from "./rate";
import type { Ringing } from "./ringing";

type Start = Extract<CallOperation, { op: "start" }>;
type Session = ReturnType<typeof callSession>;

/** Carries what connections say about calls to the calls' sessions, and back. It decides nothing. */
export class CallCarrier {
  readonly #starts = new TokenBucket(serverLimits.callsPerSecond, serverLimits.callsBurst);
  /** While a connection resumes, new events wait behind the ones that it missed. */
  readonly #held = new WeakMap<WebSocket, CallFrame[]>();
  /** The calls that a socket was told of: they need not be offered to it again. */
  readonly #told = new WeakMap<WebSocket, Set<string>>();

  constructor(
    private readonly env: Env,
    private readonly connections: Connections,
    private readonly ringing: Ringing,
    private readonly now: () => number,
  ) {}

  /** Hands an event to a connection, in order. */
  deliver(socket: WebSocket, frame: CallFrame): void {
    const held = this.#held.get(socket);
    if (held) held.push(frame);
    else this.#send(socket, frame);
    if (frame.event.event === "ended") this.#letGo(socket, frame.callId);
  }

  /** Errors: those of the session; invalidValue, userUnknown, rateLimited for a start. */
  async call(socket: WebSocket, frame: CallRequest): Promise<Result<CallResult>> {
    const { callId, n, ack, op } = frame;
    const connection = this.connections.of(socket);
    const { applicationKey, reference } = connection;
    if (op.op === "room" && op.room.type === "invite") {
      const wait = this.#starts.take(this.now());
      if (wait > 0) return fail("rateLimited", { detail: "too many calls were started", retryAfter: wait });
    }
    const starting = op.op === "start";
    const callee = starting ? await this.#resolve(connection, op) : undefined;
    if (callee && !callee.ok) return callee;
    const own = connection.calls.some((call) => call.callId === callId);
    const origin = starting ? undefined : frame.origin;
    const takes = !own && (starting || op.op === "answer");
    if (takes && connection.calls.length >= limits.callsPerConnection) {
      return fail("rateLimited", { detail: `${limits.callsPerConnection} calls at a time`, retryAfter: 5 });
    }
    const line = callee?.value.line !== undefined && callee.value.line !== "conference";
    if (takes && line && this.#lines() >= this.#linesMax) {
      const detail = `${this.#linesMax} calls to phones at a time`;
      return fail("rateLimited", { detail, retryAfter: 5 });
    }
    // Before the session knows of it, so that it hears when this socket goes meanwhile.
    const taken = { callId, origin, ...(line && { line }) };
    if (takes) this.connections.change(socket, { calls: [...connection.calls, taken] });
    const request = { from: partyOf(connection), callId, n, ack, op, callee: callee?.value, reference };
    const session = { callId, origin: origin ?? applicationKey };
    const result = await this.#ask<Result<CallResult>>(
      session,
      reference,
      async (stub) => await stub.operate(request),
    );
    if (!result) return fail("unavailable");
    if (result.ok ? result.value.ended : takes) this.#letGo(socket, callId);
    return result;
  }

  async acknowledge(socket: WebSocket, { calls }: Ack): Promise<void> {
    const connection = this.connections.of(socket);
    for (const { ack, ...call } of calls) {
      if (!connection.calls.some(({ callId }) => callId === call.callId)) continue;
      // Lost, it is repeated by the next one.
      await this.#session(connection, call).acknowledge(partyOf(connection), ack);
    }
  }

  /** Asks the sessions what this connection has missed; with `offers`, also the calls that ring now. */
  async resume(socket: WebSocket, positions: CallPosition[], offers: boolean): Promise<void> {
    const rings = offers ? this.ringing.at(this.now()) : [];
    const told = this.#told.get(socket);
    const fresh = rings.filter(
      ({ callId }) => !told?.has(callId) && !positions.some((position) => position.callId === callId),
    );
    const held: CallFrame[] = [];
    this.#held.set(socket, held);
    const newest = new Map<string, number>();
    try {
      for (const position of positions) newest.set(position.callId, await this.#sync(socket, position, true));
      for (const ring of fresh) newest.set(ring.callId, await this.#sync(socket, { ...ring, ack: 0 }, false));
    } catch (error) {
      log("error", "resume.failed", {
        reference: this.connections.of(socket).reference,
        error: String(error),
      });
      // It comes back and tries again; a connection that is half resumed would never hear the rest.
      this.connections.dismiss(socket, closeCodes.restarted, "resume failed");
    } finally {
      this.#held.delete(socket);
      for (const frame of held) if (frame.seq > (newest.get(frame.callId) ?? 0)) this.#send(socket, frame);
    }
  }

  /**
   * A push has told the client of these calls. Only what has rung for this user lately is asked for:
   * each question wakes a session.
   */
  async relay(socket: WebSocket, positions: CallPosition[]): Promise<void> {
    const { calls } = this.connections.of(socket);
    const has = (among: { callId: string; origin?: string }[]) => (position: CallPosition) =>
      among.some(({ callId, origin }) => callId === position.callId && origin === position.origin);
    const news = positions.filter((position) => !has(calls)(position));
    const rung = news.filter(has(this.ringing.at(this.now())));
    for (const { callId } of news.filter((position) => !rung.includes(position)))
      send(socket, { type: "synced", callId, n: 0, unknown: true });
    await this.resume(socket, rung, false);
  }

  /** Tells the sessions of this connection's calls that its socket is gone, for a while or for good. */
  async leave(socket: WebSocket, how: "away" | "gone"): Promise<void> {
    const connection = this.connections.of(socket);
    const from = partyOf(connection);
    await Promise.all(
      connection.calls.map(({ callId, origin = connection.applicationKey }) =>
        this.#ask({ callId, origin }, connection.reference, (session) => session[how](from)),
      ),
    );
  }

  /** One call's missed events and its `synced`; answers the last seq. */
  async #sync(socket: WebSocket, { callId, origin, ack }: CallPosition, asked: boolean): Promise<number> {
    const connection = this.connections.of(socket);
    const { applicationKey, reference } = connection;
    const session = { callId, origin: origin ?? applicationKey };
    const synced = await this.#ask(session, reference, (stub) => stub.sync(partyOf(connection), ack));
    if (!synced) throw new Error("no answer from a session");
    const { known, n, frames, cause } = synced;
    for (const frame of frames) this.#send(socket, frame);
    if (!known) this.#letGo(socket, callId);
    if (known || asked) {
      const unknown = !known && ({ unknown: true, ...(cause && { cause }) } as const);
      send(socket, { type: "synced", callId, n, ...unknown });
    }
    return frames.at(-1)?.seq ?? ack;
  }

  /**
   * Asks a session, three times if it has to be: a deploy or a crash of the object fails what was
   * under way, and everything that a session is asked may be repeated. Undefined when all failed.
   */
  async #ask<T>(
    { callId, origin }: { callId: string; origin: string },
    reference: string,
    ask: (session: Session) => Promise<T>,
  ): Promise<T | undefined> {
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      try {
        return await ask(callSession(this.env, origin, callId));
      } catch (error) {
        log("warn", "session.failed", { reference, callId, attempt, error: String(error) });
      }
    }
    return undefined;
  }

  /** Calls to phones of all connections of the user: each holds credit, and may cost more. */
  #lines(): number {
    const all = this.connections.all().flatMap(({ connection }) => connection.calls);
    return all.filter(({ line }) => line).length;
  }

  get #linesMax(): number {
    return Number(this.env.PHONE_CALLS_PER_USER) || serverLimits.phoneCallsPerUser;
  }

  #session({ applicationKey }: Connection, { callId, origin }: { callId: string; origin?: string }): Session {
    return callSession(this.env, origin ?? applicationKey, callId);
  }

  async #resolve(connection: Connection, start: Start): Promise<Result<CallUser>> {
    const wait = this.#starts.take(this.now());
    if (wait > 0) return fail("rateLimited", { detail: "too many calls were started", retryAfter: wait });
    if (start.line === "conference") {
      return isConferenceId(start.to)
        ? ok({ applicationKey: connection.applicationKey, userId: start.to, line: start.line })
        : fail("invalidValue", {
            detail: `to: not 1 to ${limits.conferenceIdCharacters} printable characters`,
          });
    }
    if (start.line) return resolveLine(connection.applicationKey, start);
    const { userId, applicationKey = connection.applicationKey } = parseAddress(start.to);
    if (!isUserId(userId)) return fail("invalidValue", { detail: "to: not a user id" });
    if (applicationKey !== connection.applicationKey) {
      if (!(await mayCall(this.env.DB, connection.applicationKey, applicationKey)))
        return fail("userUnknown");
    } else if (userId === connection.userId) {
      return fail("invalidValue", { detail: "a user cannot call itself" });
    }
    return ok({ applicationKey, userId });
  }

  #send(socket: WebSocket, frame: CallFrame): void {
    const told = this.#told.get(socket) ?? new Set();
    if (frame.event.event === "ended") told.delete(frame.callId);
    else told.add(frame.callId);
    this.#told.set(socket, told);
    send(socket, frame);
  }

  #letGo(socket: WebSocket, callId: string): void {
    const { calls } = this.connections.of(socket);
    const rest = calls.filter((call) => call.callId !== callId);
    if (rest.length < calls.length) this.connections.change(socket, { calls: rest });
  }
}
