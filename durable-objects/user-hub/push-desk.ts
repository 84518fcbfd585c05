import { log } from "../../core/log";
import { composePush, kindOf, losesHeaders } from "../../core/push/compose";
import type { CallPush, MessagePush, PushContent } from "../../core/push/content";
import type { DuePush, PushBook, PushOfDevice } from "../../core/push/push-book";
import { type PushDevice, type PushPair, serverLimits } from "../../protocol";
import { type Connection, type Connections, isAvailable } from "./connections";
import type { Instances, Wakeable } from "./instances";
import {
  type PushQuestion,
  type PushReport,
  type PushSending,
  type PushTarget,
  pushBatchSize,
} from "./push-rpc";
import type { Copy, Delivery, Ring, RingResult, UserAddress } from "./rpc";

interface Surroundings {
  book: PushBook;
  sender: PushSending;
  instances: Instances;
  connections: Connections;
  now: () => number;
  user: () => UserAddress;
  /** Let the alarm ring then, or before. */
  wake: (time: number) => Promise<void>;
  session: (call: CallPush) => {
    unreachable: () => Promise<void>;
    isRinging: () => Promise<boolean>;
  };
}

/** What pushes mean for the one who caused them. */
interface Pushed {
  /** Devices that Carillon wakes. */
  devices: number;
  /** Devices that the app's own server wakes. */
  pairs: PushPair[];
  /** The headers did not fit. */
  headersOmitted: boolean;
}

/** What became of a call's pushes, for its session, and what to push to a device that goes while it rings. */
type Rung = Pick<RingResult, "pushed" | "pushPairs" | "headersOmitted"> & { push?: CallPush };

const messageMs = serverLimits.messageDays * 86_400_000;

/** Wakes the devices of this hub's user that sleep, and tells them when a call is over. */
export class PushDesk {
  constructor(private readonly hub: Surroundings) {}

  /** Wakes the devices for a call where it does not ring on a connection. `alone`: it rings on none. */
  async ring({ callId, origin, until, frames, reference }: Ring, alone: boolean): Promise<Rung> {
    const [incoming] = frames.map(({ frame }) => frame.event);
    const { instances, now } = this.hub;
    if (incoming?.event !== "incoming" || instances.wakeable(now()).size === 0) return nobody;
    const { from, video, headers } = incoming;
    const { userId, displayName } = from;
    const content: CallPush = {
      type: "call",
      callId,
      ...(origin && { origin }),
      from: userId,
      ...(displayName && { displayName }),
      video,
      headers,
      until,
    };
    const ringing = this.#ringing();
    const sleeping = this.#wakeable(content).filter(({ instanceId }) => !ringing.has(instanceId));
    const { devices: pushed, pairs: pushPairs, headersOmitted } = this.#pushed(content, sleeping);
    if (pushed > 0) await this.#call(content, managed(sleeping), alone && pushPairs.length === 0, reference);
    return { pushed, pushPairs, headersOmitted, push: content };
  }

  /** A connection has gone while a call rings: its device is woken, unless it has the call on another one. */
  async lost({ instanceId, calls, reference }: Connection, call: CallPush): Promise<void> {
    const device = this.#device(instanceId);
    const took = calls.some(({ callId }) => callId === call.callId);
    if (!device || took || !kindOf(device, call) || this.#ringing().has(instanceId)) return;
    // It may have ended long ago, and a phone must not ring for nothing.
    const isRinging = await this.hub.session(call).isRinging();
    if (isRinging && !this.#ringing().has(instanceId)) await this.#call(call, [instanceId], false, reference);
  }

  /** Tells the devices that were woken for calls which are over now, or taken by another device. */
  async hear({ frames, reference }: Delivery): Promise<void> {
    for (const { frame, except } of frames) {
      if (frame.event.event !== "ended") continue;
      const { book, now, connections } = this.hub;
      const knowing = except === undefined ? undefined : instanceOf(except);
      let ringing: Set<string> | undefined;
      const knows = (instanceId: string) => {
        ringing ??= this.#ringing();
        // What is connected has heard it; but a hidden page may be frozen, and its notification stays.
        const isPhone = this.#device(instanceId)?.provider === "apns";
        const hears = isPhone && connections.countOf(instanceId) > 0;
        return instanceId === knowing || ringing.has(instanceId) || hears;
      };
      await this.#send(book.over(frame, frame.event.cause, knows, now()), reference);
    }
  }

  /** A message came, and no connection of the user is in the foreground. `repeated`: it had come before. */
  async message(message: Copy, reference: string, repeated = false): Promise<Pushed> {
    const { book, now, user } = this.hub;
    const { id, from, headers, time, displayName } = message;
    const content: MessagePush = {
      type: "message",
      messageId: id,
      ...(from !== null && { from }),
      ...(displayName && { displayName }),
      headers,
      until: time + messageMs,
    };
    const sleeping = this.#wakeable(content);
    const pushed = this.#pushed(content, sleeping);
    if (pushed.devices > 0 && !repeated) {
      const due = book.message(content, user().applicationKey, managed(sleeping), now());
      if (due) await this.#send(due, reference);
      else await this.#wake();
    }
    return pushed;
  }

  /** The sender reports. Answers the instances whose token was dropped. */
  async report({ push, results, reference }: PushReport): Promise<string[]> {
    const { book, instances } = this.hub;
    const dropped: string[] = [];
    for (const { instanceId, result, token, registered, since } of results) {
      if (result !== "dead" || token === undefined) continue;
      if (!instances.dropToken(instanceId, { token, registered, since })) continue;
      dropped.push(instanceId);
      log("info", "push.device.dropped", { reference, instance: instanceId });
    }
    await this.#settle(book.report(push, results).unreachable);
    return dropped;
  }

  /** Whom a push that failed before may be tried on again; null when nobody wants it any more. */
  wanted({ push, content, instanceId }: PushQuestion, isBehind: boolean): PushTarget | null {
    const { book, now } = this.hub;
    const target = this.#target(instanceId, content);
    if (!target || !book.isWanted(push, now())) return null;
    const isHere = content.type === "message" ? !isBehind : this.#ringing().has(instanceId);
    return isHere ? null : target;
  }

  /** Sends what is due; answers when the next thing is. `asleep`: no connection is in the foreground. */
  async alarm(reference: string, asleep: boolean): Promise<number | null> {
    const { book, now } = this.hub;
    const sleepers = () => (asleep ? managed(this.#wakeable({ type: "message" })) : []);
    for (const call of book.unreachable(now())) await this.#settle(call);
    for (const due of book.due(now(), sleepers)) await this.#send(due, reference);
    return book.next;
  }

  /** The call is the caller's application's, and so are the credentials that it is pushed with. */
  async #call(content: CallPush, instances: string[], alone: boolean, reference: string): Promise<void> {
    const { book, now, user } = this.hub;
    const application = content.origin ?? user().applicationKey;
    await this.#send(book.call(content, application, instances, alone, now()), reference);
  }

  /** A call that reached nobody is over. Should its session not hear of it, the alarm tells it again. */
  async #settle(call: CallPush | undefined): Promise<void> {
    if (!call) return;
    try {
      await this.hub.session(call).unreachable();
      this.hub.book.told(call);
    } catch (error) {
      log("warn", "session.failed", { callId: call.callId, error: String(error) });
    }
  }

  /** Hands a push to the sender, which answers at once. What it does not report on is sent again. */
  async #send(due: DuePush | null, reference: string): Promise<void> {
    if (!due) return;
    const { sender, user, book } = this.hub;
    const { push, application, content, instances } = due;
    const ringing = content.type === "call" ? this.#ringing() : new Set<string>();
    const devices: PushTarget[] = [];
    const done: PushOfDevice[] = [];
    for (const instanceId of instances) {
      const target = this.#target(instanceId, content);
      if (ringing.has(instanceId)) done.push({ instanceId, result: "sent" });
      else if (target) devices.push(target);
      else done.push({ instanceId, result: "failed" });
    }
    for (let at = 0; at < devices.length; at += pushBatchSize) {
      const batch = devices.slice(at, at + pushBatchSize);
      sender
        .send({ user: user(), application, push, content, devices: batch, reference })
        .catch((error: unknown) => log("error", "push.send.failed", { reference, error: String(error) }));
    }
    if (done.length > 0) await this.#settle(book.report(push, done).unreachable);
    await this.#wake();
  }

  async #wake(): Promise<void> {
    const { next } = this.hub.book;
    if (next !== null) await this.hub.wake(next);
  }

  /** The instances on which calls ring, as far as can be told. */
  #ringing(): Set<string> {
    const { connections, now } = this.hub;
    const here = connections
      .all()
      .filter(({ connection, socket }) => isAvailable(connection) && !connections.isSilent(socket, now()));
    return new Set(here.map(({ connection }) => connection.instanceId));
  }

  #target(instanceId: string, content: PushContent): PushTarget | undefined {
    const { instances, now } = this.hub;
    const found = instances.wakeable(now()).get(instanceId);
    const device = this.#device(instanceId);
    return device && found && kindOf(device, content)
      ? { instanceId, device, registered: found.registered }
      : undefined;
  }

  #device(instanceId: string): PushDevice | undefined {
    const { instances, now } = this.hub;
    return instances.blocked ? undefined : instances.wakeable(now()).get(instanceId)?.device;
  }

  /** The devices that such a push can wake. */
  #wakeable(content: Pick<PushContent, "type">): Wakeable[] {
    const { instances, now } = this.hub;
    if (instances.blocked) return [];
    return [...instances.wakeable(now()).values()]
      .filter(({ messages }) => content.type !== "message" || messages)
      .map(({ device, ...rest }) => ({ ...rest, ...(device && kindOf(device, content) && { device }) }))
      .filter(({ device, data }) => device !== undefined || data !== undefined);
  }

  #pushed(content: CallPush | MessagePush, sleeping: Wakeable[]): Pushed {
    const { userId } = this.hub.user();
    const withData = sleeping.flatMap(({ data }) => (data === undefined ? [] : [data]));
    const payload = withData.length > 0 ? composePush(content, { userId }, "pair").body : "";
    return {
      devices: managed(sleeping).length,
      pairs: withData.slice(0, serverLimits.pushPairs).map((data) => ({ payload, data, to: userId })),
      headersOmitted:
        Object.keys(content.headers).length > 0 &&
        sleeping.some(({ device }) => device && losesHeaders(content, device, userId)),
    };
  }
}

const nobody: Rung = { pushed: 0, pushPairs: [], headersOmitted: false };

function managed(devices: Wakeable[]): string[] {
  return devices.flatMap(({ device, instanceId }) => (device ? [instanceId] : []));
}

/** The instance of a connection's key. */
function instanceOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}
