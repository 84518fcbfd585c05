import { log } from "../../core/log";
import { composePush, kindOf, losesHeaders } from "../../core/push/compose";
import type { CallPush, MessagePush, PushContent } from "../../core/push/content";
import type { DuePush, PushBook } from "../../core/push/push-book";
import { type Message, type PushDevice, type PushPair, serverLimits } from "../../protocol";
import { type Connections, isAvailable } from "./connections";
import type { Instances, Wakeable } from "./instances";
import {
  type PushQuestion,
  type PushReport,
  type PushSending,
  type PushTarget,
  pushBatchSize,
} from "./push-rpc";
import type { Delivery, Ring, UserAddress } from "./rpc";

interface Surroundings {
  book: PushBook;
  sender: PushSending;
  instances: Instances;
  connections: Connections;
  now: () => number;
  user: () => UserAddress;
  /** Let the alarm ring then, or before. */
  wake: (time: number) => Promise<void>;
  /** A call's push reached no device, and none is connected. */
  unreachable: (call: CallPush) => Promise<void>;
}

/** What pushes mean for the one who caused them. */
export interface Pushed {
  /** Devices that Carillon wakes. */
  devices: number;
  /** Devices that the app's own server wakes. */
  pairs: PushPair[];
  /** The headers did not fit. */
  headersOmitted: boolean;
}

const messageMs = serverLimits.messageDays * 86_400_000;

/** Wakes the devices of this hub's user that sleep, and tells them when a call is over. */
export class PushDesk {
  constructor(private readonly hub: Surroundings) {}

  /** Wakes the devices for a call where it does not ring on a connection; `available`: the connections' keys. */
  async ring({ callId, origin, until, frames, reference }: Ring, available: string[]): Promise<Pushed> {
    const [incoming] = frames.map(({ frame }) => frame.event);
    if (incoming?.event !== "incoming") return nobody;
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
    const { book, now, user } = this.hub;
    const ringing = new Set(available.map(instanceOf));
    const sleeping = this.#wakeable(content).filter(({ instanceId }) => !ringing.has(instanceId));
    const pushed = this.#pushed(content, sleeping);
    if (pushed.devices > 0) {
      const alone = available.length === 0 && pushed.pairs.length === 0;
      // The call is the caller's application's, and so are the credentials that it is pushed with.
      const application = origin ?? user().applicationKey;
      await this.#send(book.call(content, application, managed(sleeping), alone, now()), reference);
    }
    return pushed;
  }

  /** Tells the devices that were woken for calls which are over now, or taken by another device. */
  async hear({ frames, reference }: Delivery): Promise<void> {
    for (const { frame, except } of frames) {
      if (frame.event.event !== "ended") continue;
      const { book, now, connections } = this.hub;
      const knowing = except === undefined ? undefined : instanceOf(except);
      const all = connections.all();
      const knows = (instanceId: string) => {
        const own = all.filter(({ connection }) => connection.instanceId === instanceId);
        // What is connected has heard it; but a hidden page may be frozen, and its notification stays.
        const isVoip = this.#device(instanceId)?.provider === "apns";
        return instanceId === knowing || own.some(({ connection }) => isVoip || isAvailable(connection));
      };
      await this.#send(book.over(frame.callId, frame.event.cause, knows, now()), reference);
    }
  }

  /** A message came, and no connection of the user is in the foreground. */
  async message(message: Message, displayName: string | undefined, reference: string): Promise<Pushed> {
    const { book, now, user } = this.hub;
    const { id, from, headers, time } = message;
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
    if (pushed.devices > 0) {
      const due = book.message(content, user().applicationKey, managed(sleeping), now());
      if (due) await this.#send(due, reference);
      else await this.#wake();
    }
    return pushed;
  }

  /** The sender reports. */
  async report({ push, results, reference }: PushReport): Promise<void> {
    const { book, instances, unreachable } = this.hub;
    for (const { instanceId, result, token, since } of results) {
      if (result === "dead" && token !== undefined && instances.dropToken(instanceId, token, since))
        log("info", "push.device.dropped", { reference, instance: instanceId });
    }
    const call = book.report(push, results).unreachable;
    if (call) await unreachable(call);
  }

  /** The device that a push which failed before may be tried on again; null when nobody wants it any more. */
  wanted({ push, content, instanceId }: PushQuestion, isBehind: boolean): PushDevice | null {
    const { book, now, connections } = this.hub;
    const device = this.#device(instanceId);
    if (!device || !kindOf(device, content) || !book.isWanted(push, now())) return null;
    if (content.type === "message") return isBehind ? device : null;
    const here = connections
      .all()
      .some(({ connection }) => connection.instanceId === instanceId && isAvailable(connection));
    return here ? null : device;
  }

  /** Sends what is due; answers when the next thing is. `asleep`: no connection is in the foreground. */
  async alarm(reference: string, asleep: boolean): Promise<number | null> {
    const { book, now } = this.hub;
    const sleepers = () => (asleep ? managed(this.#wakeable({ type: "message" })) : []);
    for (const due of book.due(now(), sleepers)) await this.#send(due, reference);
    return book.next;
  }

  /** Hands a push to the sender, which answers at once. What it does not report on is sent again. */
  async #send(due: DuePush | null, reference: string): Promise<void> {
    if (!due) return;
    const { sender, user, book } = this.hub;
    const { push, application, content, instances } = due;
    const devices = instances.flatMap((instanceId): PushTarget[] => {
      const device = this.#device(instanceId);
      return device && kindOf(device, content) ? [{ instanceId, device }] : [];
    });
    const there = new Set(devices.map(({ instanceId }) => instanceId));
    const gone = instances.filter((instanceId) => !there.has(instanceId));
    if (gone.length > 0) {
      const results = gone.map((instanceId) => ({ instanceId, result: "failed" as const }));
      book.report(push, results);
    }
    for (let at = 0; at < devices.length; at += pushBatchSize) {
      const batch = devices.slice(at, at + pushBatchSize);
      sender
        .send({ user: user(), application, push, content, devices: batch, reference })
        .catch((error: unknown) => log("error", "push.send.failed", { reference, error: String(error) }));
    }
    await this.#wake();
  }

  async #wake(): Promise<void> {
    const { next } = this.hub.book;
    if (next !== null) await this.hub.wake(next);
  }

  #device(instanceId: string): PushDevice | undefined {
    const { instances, now } = this.hub;
    return instances.wakeable(now()).get(instanceId)?.device;
  }

  /** The devices that such a push can wake. */
  #wakeable(content: Pick<PushContent, "type">): Wakeable[] {
    const { instances, now } = this.hub;
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

const nobody: Pushed = { devices: 0, pairs: [], headersOmitted: false };

function managed(devices: Wakeable[]): string[] {
  return devices.flatMap(({ device, instanceId }) => (device ? [instanceId] : []));
}

/** The instance of a connection's key. */
function instanceOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}
