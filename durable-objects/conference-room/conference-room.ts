import { DurableObject } from "cloudflare:workers";
import type { Command, RoomEffect, RoomInput } from "../../core/conferences/inputs";
import { nextDue, step } from "../../core/conferences/room";
import { listOf, newRoom, present, type Room, seatOf } from "../../core/conferences/room-data";
import { needsSfu } from "../../core/conferences/roster";
import { hasSfu, performChange } from "../../core/conferences/sfu/api";
import { openSession } from "../../core/conferences/sfu/planner";
import { log } from "../../core/log";
import { Alarm } from "../../core/scheduler";
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { roomInstance } from "../call-session/rpc";
import type { Env } from "../env";
import { callSession } from "../names";
import { TokenBucket } from "../user-hub/rate";
import type { DeliveryResult } from "../user-hub/rpc";
import { Lanes } from "./lanes";
import type { Callout, Join, Joined, ListedParticipant, RoomAddress, RoomDelivery } from "./rpc";
import { loadRoom, storeRoom } from "./storage";

/** What nobody has said that it heard is said again after so long, whatever happens. */
const unheardMs = 30_000;

/**
 * One conference: the shell around {@link step}. It stores the room before anything leaves, carries what it
 * says to the calls of its participants, and asks the SFU for what it plans.
 *
 * Storage: the key `room` holds all of it, so a step is one written row, whatever it tells to how many; a few
 * rows where that is very much. What leaves by RPC waits by itself until that row is safe. No call of a session to this object waits for one in
 * the other direction.
 */
export class ConferenceRoom extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  #room = loadRoom(this.ctx.storage.kv);
  /** Something may have been under way when this object went to sleep, or died. */
  #asleep = this.#room !== undefined;
  #alarm = new Alarm(this.ctx.storage);
  readonly #callouts = new TokenBucket(serverLimits.calloutsPerSecond, serverLimits.calloutsBurst);
  readonly #lanes = new Lanes({
    room: () => this.#room,
    session: (callId) => callSession(this.env, this.#room?.applicationKey ?? "", callId),
    started: (id, result) => this.#apply({ type: "started", id, result }),
    gone: (id) => this.#apply({ type: "gone", id }),
    clock: () => this.clock(),
    wait: (work) => this.ctx.waitUntil(work),
    again: (at) => this.ctx.waitUntil(this.#alarm.by(at)),
    log: (event, fields) => log("warn", event, { application: this.#room?.applicationKey, ...fields }),
  });

  /** Takes a participant in. Errors: conferenceFull, sfuMissing, unavailable (the SFU cannot be reached). */
  async join({ callId: id, user, displayName, video, reference, ...address }: Join): Promise<Result<Joined>> {
    this.#wake();
    const known = this.#room && seatOf(this.#room, id);
    const wanted = !known && this.#room && needsSfu(this.#room) && hasSfu(this.env);
    const session = wanted ? await this.#openSession() : undefined;
    const { userId } = user;
    const input: RoomInput = { type: "join", id, userId, displayName, video, reference, session };
    const joined = this.#apply(input, address, id);
    if (!joined.ok) return joined;
    const { outbox } = (this.#room && seatOf(this.#room, id)) ?? {};
    return outbox ? ok({ n: outbox.n, words: outbox.words.map(({ word }) => word) }) : fail("unavailable");
  }

  /** What has happened in a participant's call. `connected`: the room's connection, while it knows the participant. */
  async deliver({ callId: id, entries }: RoomDelivery): Promise<DeliveryResult> {
    this.#wake();
    if (entries.length > 0) this.#apply({ type: "heard", id, entries });
    const known = this.#room && seatOf(this.#room, id);
    return { available: [], connected: known ? [`${roomInstance}/${id}`] : [] };
  }

  /**
   * Calls somebody. Errors: conferenceFull, sfuMissing, hostMissing, rateLimited, invalidValue, conflict (the id
   * is in use for somebody else).
   */
  async callOut(asked: Callout): Promise<Result<{ callId: string }>> {
    this.#wake();
    const { callId, reference, applicationKey, conferenceId, ...callout } = asked;
    const input: RoomInput = { type: "callOut", id: callId, callout, reference };
    const called = this.#apply(input, { applicationKey, conferenceId });
    return called.ok ? ok({ callId }) : called;
  }

  /** Who is in. Errors: notFound (nobody is). */
  async list(_room: RoomAddress): Promise<Result<ListedParticipant[]>> {
    this.#wake();
    const room = this.#room;
    return room && present(room).length > 0 ? ok(listOf(room, this.clock())) : fail("notFound");
  }

  /** Errors: notFound. */
  async command(_room: RoomAddress, callId: string, command: Command): Promise<Result<null>> {
    this.#wake();
    return this.#apply({ type: "command", id: callId, command });
  }

  /** Ends a participant's call, or the one that is to bring somebody in. Errors: notFound. */
  async kick(_room: RoomAddress, callId: string): Promise<Result<null>> {
    this.#wake();
    return this.#apply({ type: "kick", id: callId });
  }

  /** Ends them all. Errors: notFound. */
  async kickAll(_room: RoomAddress): Promise<Result<null>> {
    this.#wake();
    return this.#apply({ type: "kickAll" });
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    this.#wake();
    this.#lanes.doubt();
    this.#apply({ type: "time" });
  }

  // ---- steps ----------------------------------------------------------------------------------

  /** After an eviction or a crash: what was not confirmed is said again, what was under way is given up. */
  #wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    this.#apply({ type: "woke" });
  }

  /** One step, stored before anything leaves. `joiner`: takes its words with the answer. */
  #apply(input: RoomInput, address?: RoomAddress, joiner?: string): Result<null> {
    const before = this.#room ?? (address && newRoom(address.applicationKey, address.conferenceId));
    if (!before) return fail("notFound");
    const means = {
      sfu: hasSfu(this.env),
      takeCallout: () => this.#callouts.take(this.clock()),
      phonesPerUser: Number(this.env.PHONE_CALLS_PER_USER) || serverLimits.phoneCallsPerUser,
    };
    const { room, changed, effects, result } = step(before, input, this.clock(), means);
    if (changed && room.seats.length > 0) storeRoom(this.ctx.storage.kv, room);
    this.#room = room.seats.length > 0 ? room : undefined;
    for (const effect of effects) this.#perform(effect, room);
    if (!this.#room && changed) this.#forget();
    if (!this.#room) return result;
    if (joiner !== undefined && result.ok) this.#lanes.left(joiner);
    this.#lanes.go();
    this.#setAlarm(room);
    return result;
  }

  #setAlarm(room: Room): void {
    const now = this.clock();
    // Should this object die before its words are heard, nobody else wakes it soon. One alarm for many steps.
    const unheard = room.seats.some(({ outbox }) => outbox.words.length > 0);
    const next = Math.min(
      nextDue(room, now) ?? Number.POSITIVE_INFINITY,
      unheard ? now + unheardMs : Number.POSITIVE_INFINITY,
      ...this.#lanes.due(),
    );
    // What is overdue is seen to by somebody else, or was just tried: the alarm does not ring all the time.
    if (Number.isFinite(next)) this.ctx.waitUntil(this.#alarm.by(next > now ? next : now + 1_000));
  }

  #perform(effect: RoomEffect, { applicationKey, seats, plan }: Room): void {
    if (effect.type === "sfu") {
      const { id, change } = effect;
      const asked = performChange(this.env, fetch, change);
      this.ctx.waitUntil(asked.then((outcome) => this.#apply({ type: "sfu", id, change, outcome })));
    } else if (effect.type === "assure") {
      const { id } = effect;
      const opened = this.#openSession();
      this.ctx.waitUntil(opened.then((session) => this.#apply({ type: "assured", id, session })));
    } else {
      const { event, id: callId, reference } = effect;
      const fields = { reference, callId, application: applicationKey, plan, seats: seats.length };
      log("info", `conference.${event}`, fields);
    }
  }

  async #openSession(): Promise<string | undefined> {
    const outcome = await performChange(this.env, fetch, openSession);
    if (outcome.kind === "done") return outcome.session;
    log("warn", "conference.sfu.failed", { application: this.#room?.applicationKey, detail: outcome.detail });
    return undefined;
  }

  /** Nobody is there, and nobody has still to hear of anything. */
  #forget(): void {
    this.ctx.waitUntil(this.ctx.storage.deleteAll());
    // Its alarm went as well.
    this.#alarm = new Alarm(this.ctx.storage);
  }
}
