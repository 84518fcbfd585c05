/** Being woken: how this device is, what a push told it, and what pushes call this user. SPEC section 5. */
import {
  type ApnsDevice,
  byteLength,
  type CallFrame,
  type CallPosition,
  limits,
  type PushDevice,
  type PushDeviceResult,
  type Synced,
  type WebPushKey,
} from "../../protocol";
import type { CallClient } from "./call-client";
import type { ClientContext } from "./client-context";
import { Emitter } from "./emitter";
import { must } from "./errors";
import { type NotificationResult, readPush, toResult } from "./notification";
import { SharedValue } from "./shared-value";
import { locked } from "./tabs";
import { toBase64 } from "./values";

export interface PushClientEvents {
  /** A call that was relayed does not ring any more: it was `canceled`, or it `timedOut`. */
  callOver: NotificationResult;
}

/** A notification that the app has shown, or what it kept of it. */
export interface LocalNotification {
  /** The push that it came of; also as `data`, or in it. */
  sin?: string;
  data?: unknown;
  /** `answer` and `decline` are carried out. */
  action?: string;
}

/** A call that a push told of, and the server has not yet. */
export interface RelayedCall {
  result: NotificationResult;
  position: CallPosition;
  receivedIn: "active" | "background";
  action?: string;
  /** By a hello, or a frame. */
  asked?: boolean;
}

/** What the server is to know of this device; null when it may know of something that it is to forget. */
type PushState = Partial<Record<Slot, object | null>>;
type Slot = "device" | "data";

/**
 * Pushes to this device: `client.push`.
 *
 * @example
 * messaging().onTokenRefresh((token) => client.push.registerPushDevice({ provider: "fcm", token }));
 * messaging().setBackgroundMessageHandler(async (message) => {
 *   const { isCall, timedOut } = client.push.relayRemotePushNotification(message);
 *   if (isCall && !timedOut) await client.start();
 * });
 */
export class PushClient extends Emitter<PushClientEvents> {
  readonly #context: ClientContext;
  readonly #calls: CallClient;
  readonly #state: SharedValue<PushState>;
  readonly #relayed = new Map<string, RelayedCall>();
  #managed = true;
  #type: "auto" | "voip" | "alert" | undefined;
  /** What this process has told the server last: a launch tells it again, and a connection that comes back does not. */
  readonly #told: Partial<Record<Slot, string>> = {};
  #telling: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(context: ClientContext, calls: CallClient) {
    super();
    this.#context = context;
    this.#calls = calls;
    const { registrar, options } = context;
    this.#state = new SharedValue(context, `${registrar.key}:push`);
    this.setDisplayName(options.displayName);
  }

  /**
   * Lets Carillon wake this device, in the place of what was registered before. Kept on the device:
   * without a connection it is told to the server with the next one, to a new instance too, and once
   * more with each launch, because the server drops what its push service calls dead.
   *
   * @throws CarillonError (rejects) `networkLost`, or what the server says.
   */
  registerPushDevice(device: PushDevice): Promise<void> {
    return this.#set("device", { ...device, type: (device as ApnsDevice).type ?? this.#type });
  }

  /** No pushes to this device from now on. Rejects when the server could not be told; that is then done later. */
  unregisterPushDevice(): Promise<void> {
    return this.#set("device", null);
  }

  /** What calls come as on APNs, where the device does not say `type`. Before {@link registerPushDevice}. */
  setDesiredPushType(type: "auto" | "voip" | "alert"): void {
    this.#type = type;
  }

  /**
   * What pushes call this user, at most 128 bytes; none by default.
   *
   * @throws CarillonError `invalidUse` for a longer one.
   */
  setDisplayName(name = ""): void {
    must(byteLength(name) <= limits.displayNameBytes, `name: more than ${limits.displayNameBytes} bytes`);
    this.#context.options.displayName = name || undefined;
  }

  /**
   * Has this device woken by the app's own server: the caller's app gets these bytes with
   * `shouldSendPushNotification`.
   *
   * @param data 1 to 1,024 bytes: what your server finds the device by.
   */
  async registerPushNotificationData(data: Uint8Array): Promise<void> {
    must(data.length <= limits.pushDataBytes, `data: more than ${limits.pushDataBytes} bytes`);
    await this.#set("data", { data: toBase64(data) });
  }

  unregisterPushNotificationData(): Promise<void> {
    return this.#set("data", null);
  }

  /**
   * Takes a push. A call that still rings is asked for, and comes as any other, also in the background;
   * before `start()`, with it. A call that is over ends here. What is for another user is only read.
   *
   * @param payload As for {@link queryPushNotificationPayload}.
   * @param applicationState Where the app is, in runtimes that have no page to see it by.
   */
  relayRemotePushNotification(
    payload: unknown,
    applicationState: "active" | "background" = this.#context.runtime.page.hidden() ? "background" : "active",
  ): NotificationResult {
    return this.#relay(payload, applicationState);
  }

  /** Takes a notification that the person tapped: as a push, and answers or declines the call when `action` says so. */
  relayLocalNotification(notification: LocalNotification): NotificationResult {
    return this.#relay(notification, "background", notification.action);
  }

  /** What a page subscribes to Web Push with. Rejects with `notFound` when the application has no credential for it. */
  async webPushKey(): Promise<WebPushKey> {
    this.#context.mustLive();
    return (await this.#context.registrar.authorized("GET", "/v1/push/web")) as WebPushKey;
  }

  // ---- what the client tells ------------------------------------------------------------------

  /** @internal */
  support(supported: boolean): void {
    this.#managed = supported;
  }

  /** @internal Hello asks for these calls; a frame for those that nothing has asked for yet. */
  positions(again = true): CallPosition[] {
    const calls = [...this.#relayed.values()].filter(({ asked }) => again || !asked);
    // The server reads no frame with any number of them: the newest go first.
    return calls.slice(-limits.callsPerConnection).map((call) => {
      call.asked = true;
      return call.position;
    });
  }

  /** @internal The server knows of a call now, or says that it is over. */
  take(frame: CallFrame | Synced): RelayedCall | undefined {
    const relayed = this.#relayed.get(frame.callId);
    this.#relayed.delete(frame.callId);
    if (relayed && frame.type === "synced" && frame.unknown) {
      const { cause } = frame;
      this.emit("callOver", { ...relayed.result, canceled: cause, timedOut: !cause });
    }
    return relayed;
  }

  /** @internal */
  online(): void {
    // For those that came after hello.
    this.#ask();
    for (const slot of ["device", "data"] as const) {
      this.#tell(slot).catch((error: unknown) =>
        this.#context.log("warning", "push", `Not registered: ${error}`),
      );
    }
  }

  /** @internal Logged out. */
  forget(): Promise<void> {
    return this.#state.change(() => undefined);
  }

  #relay(payload: unknown, receivedIn: RelayedCall["receivedIn"], action?: string): NotificationResult {
    const { userId, serverNow, connection } = this.#context;
    const push = readPush(payload);
    const result = toResult(push, serverNow());
    if (!push || !result.isCall || (push.to ?? userId) !== userId) return result;
    const { id: callId, origin } = push;
    const call = this.#calls.find(callId);
    if (result.canceled) {
      call?.cancel(result.canceled);
      if (this.#relayed.delete(callId)) this.emit("callOver", result);
    } else if (this.#calls.knows(callId)) call?.act(action);
    // Without a connection the device's clock may be wrong: the server knows what rings.
    else if (!result.timedOut || !connection.online) {
      const position = { callId, origin, ack: 0 };
      const relayed: RelayedCall = this.#relayed.get(callId) ?? { result, position, receivedIn };
      relayed.action = action ?? relayed.action;
      this.#relayed.set(callId, relayed);
      this.#ask();
      // A device that slept may not know that its connection is gone, or wait before it comes back.
      connection.nudge();
    }
    return result;
  }

  #ask(): void {
    const { connection } = this.#context;
    const calls = connection.online ? this.positions(false) : [];
    if (calls.length > 0) connection.tell({ type: "relay", calls });
  }

  async #set(slot: Slot, body: object | null): Promise<void> {
    this.#context.mustLive();
    await this.#state.change((state) => {
      // What another tab may have changed is told again.
      if (JSON.stringify(state?.[slot]) !== JSON.stringify(body)) delete this.#told[slot];
      return { ...state, [slot]: body };
    });
    await this.#tell(slot);
  }

  /** One after the other, in all tabs: the last word is the right one. */
  #tell(slot: Slot): Promise<void> {
    const { runtime, registrar } = this.#context;
    const tell = () => locked(runtime.locks, `${registrar.key}:told`, () => this.#tellNow(slot));
    this.#telling = this.#telling.then(tell, tell);
    return this.#telling;
  }

  async #tellNow(slot: Slot): Promise<void> {
    const { registrar, log } = this.#context;
    const instance = await registrar.known();
    const body = (await this.#state.read())?.[slot];
    if (!instance || body === undefined) return;
    const wanted = slot === "data" || this.#managed ? body : null;
    const text = instance.instanceId + JSON.stringify(wanted);
    if (text === this.#told[slot]) return;
    const result = await registrar.authorized(wanted ? "PUT" : "DELETE", `/v1/push/${slot}`, wanted);
    this.#told[slot] = text;
    if ((result as Partial<PushDeviceResult>).deliverable === false) {
      log("warning", "push", "No credential for this device.");
    }
    if (!body) {
      await this.#state.change((state) => (state?.[slot] === null ? { ...state, [slot]: undefined } : state));
    }
  }
}
