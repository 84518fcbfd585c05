/**
 * For an app's service worker: shows pushes, and hands what the person does with them to the app's pages.
 *
 * @packageDocumentation
 */
import type { PushDecline, PushPayload } from "../../protocol";
import { dataOf, type Handed, type HandMessage, leave } from "./hand-over";
import {
  type CallNotices,
  type Compose,
  type NoticeBoard,
  nameOf,
  type PushNotification,
  type ShownNotification,
  show,
  showCall,
  showOver,
} from "./notices";
import { type NotificationResult, queryPushNotificationPayload, readPush, toResult } from "./notification";
import { baseUrlOf } from "./runtime";

export {
  type CallNotices,
  type Compose,
  type NotificationResult,
  type PushNotification,
  queryPushNotificationPayload,
};

export interface PushOptions extends CallNotices {
  applicationKey: string;
  /** As for the client; by default this worker's own origin. */
  environmentHost?: string;
  /** The app's page: found among the open ones, or opened. By default the worker's scope. */
  url?: string;
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

interface WorkerEvent {
  waitUntil(done: Promise<unknown>): void;
}

/** The part of ServiceWorkerGlobalScope that is used: no library has it together with a page's. */
export interface WorkerScope {
  readonly location: { readonly origin: string };
  readonly registration: NoticeBoard & { readonly scope: string };
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
      event: WorkerEvent & { readonly action: string; readonly notification: ShownNotification },
    ) => void,
  ): void;
}

/** So long a page may take to say that it has what it was handed. */
const acknowledgeMs = 500;
const messagesTag = "carillon-messages";
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
      if (!(await hand(window, handed, this.#scope))) continue;
      // One click allows for one window: none is focused before it is known to be the right one.
      if (handed.action !== "decline") await window.focus();
      return;
    }
    await leave(handed);
    await this.#scope.clients.openWindow(this.#url);
  }

  async #notify(result: NotificationResult, sin: string): Promise<void> {
    if (result.isMessage) await this.#message(result, sin);
    else if (result.canceled || result.timedOut) await showOver(this.#board, result, sin, this.#options);
    else await this.#call(result, sin);
  }

  async #call(result: NotificationResult, sin: string): Promise<void> {
    await showCall(this.#board, result, sin, this.#options);
    // As long as the worker lives; otherwise the push that cancels it does so, or the next one.
    this.#scope.setTimeout(() => void this.#sweep(), result.until - Date.now());
  }

  async #message(result: NotificationResult, sin: string): Promise<void> {
    const [shown] = await this.#board.getNotifications({ tag: messagesTag });
    const count = (shown ? (dataOf(shown)?.count ?? 0) : 0) + 1;
    const composed = await this.#options.message?.(result, count);
    await show(this.#board, messagesTag, { sin, rings: false, count }, composed, {
      title: count > 1 ? "New messages" : "New message",
      body: nameOf(result),
      renotify: true,
    });
  }

  /** Calls that do not ring any more, of which nobody has told this worker. */
  async #sweep(): Promise<void> {
    for (const shown of await this.#board.getNotifications()) {
      const data = dataOf(shown);
      const push = data?.rings ? readPush(data.sin) : undefined;
      const result = toResult(push, Date.now());
      if (data && result.timedOut) await showOver(this.#board, result, data.sin, this.#options);
    }
  }

  async #handToFront(handed: Handed): Promise<boolean> {
    const [front] = await this.#windows();
    return front?.focused ? hand(front, handed, this.#scope) : false;
  }

  get #board(): NoticeBoard {
    return this.#scope.registration;
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
