/**
 * For an app's service worker: shows pushes, and hands what the person does with them to the app's pages.
 *
 * @packageDocumentation
 */
import type { PushDecline, PushPayload } from "../../protocol";
import { dataOf, type Handed, type HandMessage, leave, type NotificationData } from "./hand-over";
import { type NotificationResult, queryPushNotificationPayload, readPush, toResult } from "./notification";
import { baseUrlOf } from "./runtime";

export { type NotificationResult, queryPushNotificationPayload };

/** What the person sees: a title, and what `ServiceWorkerRegistration.showNotification()` takes. */
export interface PushNotification {
  title?: string;
  body?: string;
  icon?: string;
  badge?: string;
  image?: string;
  /** `answer` and `decline` are carried out; any other one is told to the page. */
  actions?: { action: string; title: string; icon?: string }[];
  silent?: boolean;
  vibrate?: number[];
  renotify?: boolean;
  requireInteraction?: boolean;
  lang?: string;
  dir?: "auto" | "ltr" | "rtl";
}

/** Composes what the person sees: what it leaves out is as by default; null shows nothing. */
export type Compose<T extends unknown[]> = (
  ...about: T
) => PushNotification | null | Promise<PushNotification | null>;

export interface PushOptions {
  applicationKey: string;
  /** As for the client; by default this worker's own origin. */
  environmentHost?: string;
  /** The app's page: found among the open ones, or opened. By default the worker's scope. */
  url?: string;
  call?: Compose<[NotificationResult]>;
  /** Takes the place of the call's notification. */
  missedCall?: Compose<[NotificationResult]>;
  /** Messages have one notification together: the newest of them, and how many pushes there were. */
  message?: Compose<[NotificationResult, count: number]>;
  /** @internal For tests. */
  scope?: WorkerScope;
}

/** A window of the app. */
export interface WorkerWindow {
  readonly url: string;
  readonly focused: boolean;
  focus(): Promise<unknown>;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

export interface WorkerNotification {
  readonly data: unknown;
  close(): void;
}

interface WorkerEvent {
  waitUntil(done: Promise<unknown>): void;
}

/** The part of ServiceWorkerGlobalScope that is used: no library has it together with a page's. */
export interface WorkerScope {
  readonly location: { readonly origin: string };
  readonly registration: {
    readonly scope: string;
    showNotification(title: string, options: object): Promise<void>;
    getNotifications(filter?: { tag?: string }): Promise<WorkerNotification[]>;
  };
  readonly clients: {
    matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<readonly WorkerWindow[]>;
    openWindow(url: string): Promise<unknown>;
  };
  fetch(url: string, init: RequestInit): Promise<Response>;
  setTimeout(callback: () => void, ms: number): unknown;
  addEventListener(
    type: "push",
    listener: (event: WorkerEvent & { readonly data: { text(): string } | null }) => void,
  ): void;
  addEventListener(
    type: "notificationclick",
    listener: (
      event: WorkerEvent & { readonly action: string; readonly notification: WorkerNotification },
    ) => void,
  ): void;
}

/** So long a page may take to say that it has what it was handed. */
const acknowledgeMs = 500;
const messagesTag = "carillon-messages";
/** Ended by somebody who knows of it: nothing was missed. */
const known = ["otherDeviceAnswered", "denied"];

/**
 * Handles Carillon's pushes in a service worker, and leaves all others alone. To be called while the
 * worker's script runs for the first time, as every listener of a worker.
 *
 * @example
 * import { handlePushes } from "@carillon/sdk/service-worker";
 * handlePushes({
 *   applicationKey,
 *   environmentHost: "calls.example.com",
 *   call: ({ displayName, remoteUserId }) => ({ body: displayName ?? remoteUserId, icon: "/phone.png" }),
 * });
 */
export function handlePushes(options: PushOptions): void {
  const scope = options.scope ?? (globalThis as unknown as WorkerScope);
  const worker = new PushWorker(scope, options);
  scope.addEventListener("push", (event) => {
    const sin = event.data?.text() ?? "";
    const push = readPush(sin);
    if (push) event.waitUntil(worker.pushed(push, JSON.stringify(push)));
  });
  scope.addEventListener("notificationclick", (event) => {
    const { notification, action } = event;
    const sin = dataOf(notification)?.sin;
    const push = readPush(sin);
    if (!sin || !push) return;
    notification.close();
    event.waitUntil(action === "decline" ? worker.decline(push) : worker.open({ sin, action }));
  });
}

class PushWorker {
  readonly #scope: WorkerScope;
  readonly #options: PushOptions;

  constructor(scope: WorkerScope, options: PushOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  async pushed(push: PushPayload, sin: string): Promise<void> {
    const result = toResult(push, Date.now());
    // Where the person looks at the app, the app shows it.
    if (result.canceled || !(await this.#handToFront({ sin }))) await this.#notify(result, sin);
    await this.#sweep();
  }

  /** Without a page, where the push lets us. */
  async decline(push: PushPayload): Promise<void> {
    const { id: callId, to: userId, origin, key } = push;
    if (!userId || !key) return this.open({ sin: JSON.stringify(push), action: "decline" });
    const { applicationKey, environmentHost = this.#scope.location.origin } = this.#options;
    const body: PushDecline = { applicationKey, userId, callId, origin, key };
    await this.#scope.fetch(`${baseUrlOf(environmentHost)}/v1/push/decline`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** Gives it to a page of the app: one that is open, or a new one. */
  async open(handed: Handed): Promise<void> {
    for (const window of await this.#windows()) {
      // One click allows for one window: it is not focused before it is known to be the right one.
      if (await hand(window, handed, this.#scope)) return void (await window.focus());
    }
    await leave(handed);
    await this.#scope.clients.openWindow(this.#url);
  }

  async #notify(result: NotificationResult, sin: string): Promise<void> {
    if (result.isMessage) await this.#message(result, sin);
    else if (result.canceled || result.timedOut) await this.#over(result, sin);
    else await this.#call(result, sin);
  }

  async #call(result: NotificationResult, sin: string): Promise<void> {
    await this.#show(result.callId, { sin, rings: true, count: 1 }, await this.#options.call?.(result), {
      title: result.videoOffered ? "Incoming video call" : "Incoming call",
      body: nameOf(result),
      actions: [
        { action: "answer", title: "Answer" },
        { action: "decline", title: "Decline" },
      ],
      requireInteraction: true,
      renotify: true,
      vibrate: [600, 400, 600, 400, 600],
    });
    // As long as the worker lives; otherwise the push that cancels it does so, or the next one.
    this.#scope.setTimeout(() => void this.#sweep(), result.until - Date.now());
  }

  async #message(result: NotificationResult, sin: string): Promise<void> {
    const [shown] = await this.#scope.registration.getNotifications({ tag: messagesTag });
    const count = (shown ? (dataOf(shown)?.count ?? 0) : 0) + 1;
    const composed = await this.#options.message?.(result, count);
    await this.#show(messagesTag, { sin, rings: false, count }, composed, {
      title: count > 1 ? "New messages" : "New message",
      body: nameOf(result),
      renotify: true,
    });
  }

  /** The call's notification goes, and one that says that it was missed comes in its place. */
  async #over(result: NotificationResult, sin: string): Promise<void> {
    for (const shown of await this.#scope.registration.getNotifications({ tag: result.callId }))
      shown.close();
    if (known.includes(result.canceled ?? "")) return;
    await this.#show(
      result.callId,
      { sin, rings: false, count: 1 },
      await this.#options.missedCall?.(result),
      { title: "Missed call", body: nameOf(result), silent: true },
    );
  }

  /** Calls that do not ring any more, of which nobody has told this worker. */
  async #sweep(): Promise<void> {
    for (const shown of await this.#scope.registration.getNotifications()) {
      const data = dataOf(shown);
      const push = data?.rings ? readPush(data.sin) : undefined;
      const result = toResult(push, Date.now());
      if (data && result.timedOut) await this.#over(result, data.sin);
    }
  }

  async #show(
    tag: string | undefined,
    carillon: NotificationData["carillon"],
    composed: PushNotification | null | undefined,
    usual: PushNotification,
  ): Promise<void> {
    if (composed === null) return;
    const { title = "", vibrate, ...options } = { ...usual, ...composed };
    const data: NotificationData = { carillon };
    await this.#scope.registration.showNotification(title, {
      ...options,
      // A silent one may not say how it vibrates.
      ...(!options.silent && { vibrate }),
      tag,
      data,
    });
  }

  async #handToFront(handed: Handed): Promise<boolean> {
    const [front] = await this.#windows();
    return front?.focused ? hand(front, handed, this.#scope) : false;
  }

  get #url(): string {
    return this.#options.url ?? this.#scope.registration.scope;
  }

  /** The app's, the one in front first. */
  async #windows(): Promise<WorkerWindow[]> {
    const start = new URL(this.#url, this.#scope.location.origin).href;
    const all = await this.#scope.clients.matchAll({ type: "window", includeUncontrolled: true });
    return all
      .filter(({ url }) => url.startsWith(start))
      .sort((one, other) => Number(other.focused) - Number(one.focused));
  }
}

/** False when the page does not say that it has it. */
async function hand(
  window: WorkerWindow,
  handed: Handed,
  scope: Pick<WorkerScope, "setTimeout">,
): Promise<boolean> {
  const { port1, port2 } = new MessageChannel();
  const taken = await new Promise<boolean>((resolve) => {
    port1.onmessage = ({ data }) => resolve(data === true);
    scope.setTimeout(() => resolve(false), acknowledgeMs);
    window.postMessage({ carillonPush: handed } satisfies HandMessage, [port2]);
  });
  port1.close();
  return taken;
}

function nameOf({ displayName, remoteUserId }: NotificationResult): string | undefined {
  return displayName ?? remoteUserId;
}
