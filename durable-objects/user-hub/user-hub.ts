import { DurableObject } from "cloudflare:workers";
import { log, newReference } from "../../core/log";
import { Mailbox, type Reader } from "../../core/messages/mailbox";
import { Notes } from "../../core/messages/notes";
import { Outbox } from "../../core/messages/outbox";
import { PushBook } from "../../core/push/push-book";
import { iceServersFor } from "../../core/relay/ice-servers";
import { Alarm } from "../../core/scheduler";
import {
  closeCodes,
  type ErrorName,
  errorBody,
  fail,
  type IceServersResult,
  type OutgoingMessage,
  ok,
  type PushDevice,
  protocolVersions,
  type Result,
  type SendOutcome,
  subprotocol,
} from "../../protocol";
import type { Env } from "../env";
import { callSession, pushSender } from "../names";
import { CallCarrier } from "./call-carrier";
import { Connections, isAvailable, keyOf, send } from "./connections";
import { Dispatch } from "./dispatch";
import { FrameHandler } from "./frame-handler";
import { Instances } from "./instances";
import { MailRoom } from "./mail-room";
import { PushDesk } from "./push-desk";
import type { PushQuestion, PushReport, PushTarget } from "./push-rpc";
import { Ringing } from "./ringing";
import type {
  Delivery,
  DeliveryResult,
  InstanceInfo,
  NewInstance,
  Presence,
  Receipts,
  Ring,
  RingResult,
  Send,
  SocketClaims,
  Take,
  Taken,
  UserAddress,
} from "./rpc";

/**
 * One user: the instances that have registered, their sockets, the calls that ring for them, and
 * the messages that wait. It decides who may connect; about calls it decides nothing, it carries.
 *
 * Storage is written at registration, when the first connection comes or the last one goes, one row
 * for every call that rings and about one for every message that comes.
 */
export class UserHub extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  readonly #kv = this.ctx.storage.kv;
  readonly #instances = new Instances(this.#kv);
  readonly #connections = new Connections(this.ctx);
  readonly #ringing = new Ringing(this.#kv);
  readonly #alarm = new Alarm(this.ctx.storage);
  #push = this.#openPush();
  #mail = this.#openMail();
  readonly #calls = new CallCarrier(this.env, this.#connections, this.#ringing, () => this.clock());
  readonly #frames = new FrameHandler({
    env: this.env,
    connections: this.#connections,
    calls: this.#calls,
    instances: this.#instances,
    mail: () => this.#mail.room,
    send: (socket, { messages, displayName }) =>
      this.#send(messages, displayName, this.#connections.of(socket).reference, socket),
    now: () => this.clock(),
    iceServers: (reference) => this.iceServers(reference),
    // For the case that the server goes down without a word.
    cameOnline: () => this.#kv.put("lastSeen", this.clock()),
  });
  #iceServersOnTheirWay: Promise<Result<IceServersResult>> | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  // ---- registration ---------------------------------------------------------------------------

  /** Errors: replayed, userBlocked, conflict (too many instances online). */
  async register(request: NewInstance): Promise<Result<{ instanceId: string }>> {
    const instanceId = crypto.randomUUID();
    const idle = (id: string) => this.#connections.countOf(id) === 0;
    // What no device has got yet is for a new one, too; a device that registers anew goes on where it was.
    const { mailbox } = this.#mail;
    const mailStart = (replaced: Reader[]) =>
      Math.min(mailbox.progress.delivered, ...replaced.map((reader) => mailbox.positionOf(reader)));
    const added = this.#instances.add(instanceId, request, this.clock(), idle, mailStart);
    if (!added.ok) return added;
    for (const revoked of added.value.revoked) await this.#dismiss(revoked, "instanceRevoked");
    this.#log("instance.registered", request.reference, { instance: instanceId, user: request.user.userId });
    return ok({ instanceId });
  }

  /** Errors: instanceRevoked, userBlocked. `expires`: the instance's own expiry, if it has one. */
  async renew(instanceId: string, reference: string): Promise<Result<{ expires?: number }>> {
    const instance = this.#instances.check(instanceId, this.clock());
    if (!instance.ok) return instance;
    this.#instances.renew(instance.value, this.clock());
    this.#log("instance.renewed", reference, { instance: instanceId });
    return ok({ expires: instance.value.expires });
  }

  /**
   * Revokes one instance, or all (`*`) that registered at `until` (milliseconds since 1970) or before; their sockets are closed at once. Answers how many.
   */
  async revoke(instanceId: string, reference: string, until = Number.POSITIVE_INFINITY): Promise<number> {
    const revoked = this.#instances
      .all(this.clock())
      .filter((one) => (instanceId === "*" || one.instanceId === instanceId) && one.created <= until)
      .map((one) => one.instanceId);
    for (const id of revoked) this.#instances.remove(id);
    for (const id of revoked) await this.#dismiss(id, "instanceRevoked");
    this.#log("instance.revoked", reference, { count: revoked.length });
    return revoked.length;
  }

  /** Is this instance known, and not revoked or expired? Errors: instanceRevoked, userBlocked. */
  async check(instanceId: string): Promise<Result<null>> {
    const instance = this.#instances.check(instanceId, this.clock());
    return instance.ok ? ok(null) : instance;
  }

  async setBlocked(blocked: boolean, reference: string): Promise<void> {
    this.#instances.setBlocked(blocked);
    if (blocked) await this.#dismiss(undefined, "userBlocked");
    this.#log(blocked ? "user.blocked" : "user.unblocked", reference);
  }

  async instances(): Promise<InstanceInfo[]> {
    return this.#instances
      .all(this.clock())
      .map((one) => ({ ...one, connections: this.#connections.countOf(one.instanceId) }));
  }

  async presence(): Promise<Presence & { known: boolean; blocked: boolean }> {
    const online = this.#connections.all().length > 0;
    const lastSeen = this.#kv.get<number>("lastSeen") ?? null;
    const { known, blocked } = this.#instances;
    return { online, lastSeen: online ? this.clock() : lastSeen, known, blocked };
  }

  /** ICE servers for this user, cached until half of their life is over. Errors: unavailable. */
  async iceServers(reference: string): Promise<Result<IceServersResult>> {
    const cached = this.#kv.get<{ result: IceServersResult; renewAt: number }>("iceServers");
    if (cached && cached.renewAt > this.clock()) return ok(cached.result);
    this.#iceServersOnTheirWay ??= this.#fetchIceServers(reference).finally(() => {
      this.#iceServersOnTheirWay = null;
    });
    return this.#iceServersOnTheirWay;
  }

  // ---- calls ----------------------------------------------------------------------------------

  /** Offers a call to the devices that are here, and to those that connect while it rings. */
  async ring(ring: Ring): Promise<RingResult> {
    const { known, blocked } = this.#instances;
    if (!known || blocked) {
      const nobody = { available: [], connected: [], pushed: 0, pushPairs: [], headersOmitted: false };
      return { known, blocked, ...nobody };
    }
    // Sent before it is written: what follows a write waits for the disk.
    const delivered = await this.deliver(ring);
    const { callId, origin, until } = ring;
    const { push, ...pushed } = await this.#push.ring(ring, delivered.available.length === 0);
    // With no device the call is over: there is nothing to offer to one that comes later.
    if (delivered.available.length + pushed.pushed + pushed.pushPairs.length > 0)
      this.#ringing.add({ callId, origin, until, ...(push && { push }) }, this.clock());
    return { known, blocked, ...delivered, ...pushed };
  }

  /** Hands events of a call to the connections that they are for. */
  async deliver(delivery: Delivery): Promise<DeliveryResult> {
    const all = this.#connections.all();
    for (const { frame, to, except } of delivery.frames) {
      for (const { socket, connection, key } of all) {
        // A device that went to the background while it rang has to hear the end.
        const rings = frame.event.event !== "incoming" || isAvailable(connection);
        if (to === undefined ? key !== except && rings : key === to) this.#calls.deliver(socket, frame);
      }
    }
    await this.#push.hear(delivery);
    return {
      available: all.filter(({ connection }) => isAvailable(connection)).map(({ key }) => key),
      connected: all.map(({ key }) => key),
    };
  }

  // ---- messages -------------------------------------------------------------------------------

  /** Messages of this user, or of the application itself, from the app's server. Errors: userUnknown, userBlocked. */
  async send({ user, messages, displayName, reference }: Send): Promise<Result<SendOutcome[]>> {
    const { known, blocked } = this.#instances;
    if (user.userId === "") {
      if (!known) this.#instances.belongTo(user);
    } else if (!known) {
      return fail("userUnknown", { detail: "the sender has never registered" });
    }
    return blocked ? fail("userBlocked") : ok(await this.#send(messages, displayName, reference));
  }

  /** Copies for this user: stored when it answers. */
  async take(take: Take): Promise<Taken> {
    const { messages } = take;
    const { known, blocked } = this.#instances;
    if (!known) return messages.map(() => fail("userUnknown"));
    if (blocked) return messages.map(() => fail("userBlocked"));
    if (!this.#instances.takesMessages(this.clock())) return messages.map(() => fail("messagingUnsupported"));
    return this.#mail.room.take(take);
  }

  /** What became of messages that this user has sent. */
  async receipts({ notes }: Receipts): Promise<void> {
    this.#mail.room.tell(notes, true);
  }

  /** Somebody of the same application is typing to this user. */
  async typing(from: string): Promise<void> {
    this.#mail.room.typing(from);
  }

  /** Writes to D1 what it has not heard of yet; resolves also when D1 is away. */
  async archive(): Promise<void> {
    const { mailbox, room } = this.#mail;
    await room.bringUpToDate();
    if (mailbox.unarchived) await room.archive();
  }

  // ---- pushes ---------------------------------------------------------------------------------

  /** How an installation is woken by Carillon; null: not any more. Errors: userBlocked, instanceRevoked. */
  async setPushDevice(instanceId: string, device: PushDevice | null): Promise<Result<null>> {
    return this.#instances.setDevice(instanceId, device, this.clock());
  }

  /** What the app's own server needs to wake an installation, base64; null: nothing any more. Errors: as before. */
  async setPushData(instanceId: string, data: string | null): Promise<Result<null>> {
    return this.#instances.setData(instanceId, data, this.clock());
  }

  /** What became of a push. Answers the instances whose token was dropped. */
  async pushed(report: PushReport): Promise<string[]> {
    return this.#instances.known ? this.#push.report(report) : [];
  }

  /** Whom a push that failed before may be tried on again; null when nobody wants it any more. */
  async pushWanted(question: PushQuestion): Promise<PushTarget | null> {
    const { mailbox, room } = this.#mail;
    const reader = this.#instances
      .readers(this.clock())
      .find(({ instanceId }) => instanceId === question.instanceId);
    const isBehind = reader !== undefined && room.isAsleep && mailbox.positionOf(reader) < mailbox.last;
    return this.#push.wanted(question, isBehind);
  }

  /** Everything of this user goes: instances, sockets, what waits and what is remembered. */
  async forget(reference: string): Promise<void> {
    await this.#dismiss(undefined, "instanceRevoked");
    this.#mail.room.retire();
    this.#mail.dispatch.retire();
    const used = this.#instances.usedUp();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#alarm.rang();
    this.#instances.forget(used);
    this.#push = this.#openPush();
    this.#mail = this.#openMail();
    this.#log("user.forgotten", reference);
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    const { room, outbox, dispatch } = this.#mail;
    const { user } = this.#instances;
    const tell = (failed: Receipts["notes"]) => room.tell(failed, true);
    // Neither waits for the other: what is sent does not wait for D1.
    const [pushed, archived, retried] = await Promise.allSettled([
      this.#push.alarm(newReference(), room.isAsleep),
      room.alarm(),
      user && outbox.next !== null ? dispatch.retry(user, newReference(), tell) : undefined,
    ]);
    if (pushed.status === "rejected") throw pushed.reason;
    if (archived.status === "rejected") throw archived.reason;
    if (retried.status === "rejected") throw retried.reason;
    for (const time of [pushed.value, archived.value, outbox.next]) await this.#alarm.by(time);
  }

  // ---- sockets --------------------------------------------------------------------------------

  /** The upgrade. The Worker has checked the token and tells whose it is in `x-carillon-claims`. */
  override async fetch(request: Request): Promise<Response> {
    const claims = JSON.parse(request.headers.get("x-carillon-claims") ?? "null") as SocketClaims | null;
    if (!claims) return new Response(null, { status: 403 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.#connections.sweep(this.clock());
    const { applicationKey, userId, instanceId, reference } = claims;
    const { expires = claims.expires } =
      this.#instances.all(this.clock()).find((one) => one.instanceId === instanceId) ?? {};
    const refusal = this.#refusal(instanceId);
    this.#connections.accept(server, {
      applicationKey,
      userId,
      instanceId,
      reference,
      since: this.clock(),
      listening: false,
      background: false,
      calls: [],
      badFrames: 0,
      expires,
    });
    if (refusal) {
      send(server, { type: "refused", versions: protocolVersions, error: { ...refusal, reference } });
      const code = refusal.name === "rateLimited" ? closeCodes.rateLimited : closeCodes.unauthorized;
      this.#connections.dismiss(server, code, refusal.name);
    }
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "Sec-WebSocket-Protocol": subprotocol },
    });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#connections.heard(socket, this.clock());
    await this.#frames.handle(socket, message);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    await this.#gone(socket, code);
    // Not with the client's code: some that may be received may not be sent.
    socket.close(1000);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#gone(socket, 1006);
  }

  // ---- small things ---------------------------------------------------------------------------

  #openMail() {
    const now = () => this.clock();
    const wake = (time: number) => this.#alarm.by(time);
    const { env } = this;
    const mailbox = new Mailbox(this.#kv, () => this.#instances.readers(now()));
    const outbox = new Outbox(this.#kv, Math.random);
    const notes = new Notes(this.#kv);
    const connections = this.#connections;
    const user = () => this.#user();
    const hasReaders = () => this.#instances.readers(now()).length > 0;
    const push = this.#push;
    const room = new MailRoom({ env, connections, mailbox, notes, push, now, user, hasReaders, wake });
    const takeHere = (take: Take) => this.take(take);
    const dispatch = new Dispatch({ env, outbox, now, takeHere, wake });
    return { mailbox, outbox, room, dispatch };
  }

  #openPush(): PushDesk {
    return new PushDesk({
      book: new PushBook(this.#kv),
      sender: pushSender(this.ctx),
      instances: this.#instances,
      connections: this.#connections,
      now: () => this.clock(),
      user: () => this.#user(),
      wake: (time) => this.#alarm.by(time),
      session: ({ callId, origin }) => callSession(this.env, origin ?? this.#user().applicationKey, callId),
    });
  }

  #user(): UserAddress {
    const { user } = this.#instances;
    if (!user) throw new Error("a hub without a user");
    return user;
  }

  /** Sends, and tells the user's other connections of it. */
  async #send(
    messages: OutgoingMessage[],
    displayName: string | undefined,
    reference: string,
    socket?: WebSocket,
  ): Promise<SendOutcome[]> {
    const sent = await this.#mail.dispatch.send(this.#user(), messages, displayName, reference);
    const notes = sent
      .filter(({ outcome, repeated }) => outcome.time !== undefined && !repeated)
      .map(({ message, outcome }) => ({ note: "sent" as const, message, failed: outcome.failed }));
    this.#mail.room.tell(notes, false, socket);
    return sent.map(({ outcome }) => outcome);
  }

  async #gone(socket: WebSocket, code: number): Promise<void> {
    const connection = this.#connections.left(socket);
    const others = this.#connections.all();
    this.#log("connection.closed", connection.reference, { instance: connection.instanceId, code });
    const { instanceId, mail } = connection;
    // One that is revoked belonged to another mailbox, perhaps.
    if (mail && this.#instances.readers(this.clock()).some((one) => one.instanceId === instanceId))
      await this.#mail.room.close(instanceId, mail, connection.reference);
    if (connection.connectionId && others.length === 0 && this.#instances.known)
      this.#kv.put("lastSeen", this.clock());
    // A connection that came back on another socket has taken its calls along.
    if (others.some(({ key }) => key === keyOf(connection))) return;
    await this.#calls.leave(socket, "away");
    for (const { push } of this.#ringing.at(this.clock())) if (push) await this.#push.lost(connection, push);
  }

  #refusal(instanceId: string) {
    const instance = this.#instances.check(instanceId, this.clock());
    if (!instance.ok) return instance.error;
    return this.#connections.full
      ? errorBody("rateLimited", { detail: "too many connections", retryAfter: 30 })
      : null;
  }

  /** Closes the sockets of an instance, or all; their calls end now, whether the clients obey or not. */
  async #dismiss(instanceId: string | undefined, reason: ErrorName): Promise<void> {
    for (const socket of this.#connections.socketsOf(instanceId)) {
      this.#connections.dismiss(socket, closeCodes.unauthorized, reason);
      await this.#calls.leave(socket, "gone");
    }
  }

  async #fetchIceServers(reference: string): Promise<Result<IceServersResult>> {
    const now = this.clock();
    const user = this.#instances.user?.userId ?? "user";
    const result = await iceServersFor(this.env, user, {
      fetch: (...args) => fetch(...args),
      now: this.clock,
    });
    if (!result.ok) {
      this.#log("iceServers.failed", reference, { detail: result.error.detail });
      return result;
    }
    const renewAt = now + (result.value.expiresAt - now) / 2;
    // Settings that need no request are not worth a row.
    if (this.env.TURN_KEY_ID) this.#kv.put("iceServers", { result: result.value, renewAt });
    return result;
  }

  #log(event: string, reference: string, fields: Record<string, string | number | undefined> = {}): void {
    log("info", event, { reference, hub: this.ctx.id.name, ...fields });
  }
}
