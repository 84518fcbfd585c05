/**
 * For an app's service worker: shows pushes, and hands what the person does with them to the app's pages.
 *
 * @packageDocumentation
 */
import type { PushDecline, PushPayload } from "../../protocol";
import { clockErrorMs, EndedCalls } from "./ended-calls";
import { dataOf, type Handed, handTo, leave, type Taker } from "./hand-over";
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
  sweep,
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
export interface WorkerWindow extends Taker {
  readonly url: string;
  readonly focused: boolean;
  focus(): Promise<unknown>;
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

const messagesTag = "carillon-messages";
/** So long a call rings whose time is over by this device's clock. */
const doubtfulRingMs = 20_000;
/** Before each attempt to decline: browsers let a click open a window for some seconds only. */
const declineAfterMs = [0, 500, 1_000];
const declineAttemptMs = 2_000;

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
  readonly #ended = new EndedCalls();

  constructor(scope: WorkerScope, options: PushOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  async pushed(push: PushPayload, sin: string): Promise<void> {
    const result = onArrival(push, Date.now());
    if (result.canceled) await this.#over(result, sin);
    // Where the person looks at the app, the app shows it.
    else if (!(await this.#isOver(result)) && !(await this.#handToFront({ sin }))) {
      await this.#notify(result, sin);
    }
    await this.#sweep();
  }

  /** Without a page, where the push lets us and the server can be reached. */
  async decline(push: PushPayload): Promise<void> {
    await this.#ended.add(push.id);
    for (const ms of push.to && push.key ? declineAfterMs : []) {
      await this.#pause(ms);
      if (await this.#tryDecline(push)) return;
    }
    await this.open({ sin: JSON.stringify(push), action: "decline" });
  }

  /** Gives it to a page of the app: one that is open, or a new one. */
  async open(handed: Handed): Promise<void> {
    const taker = await this.#hand(await this.#windows(), handed);
    if (!taker) {
      // A browser that has no room for it still opens the page, which then rings.
      await leave(handed).catch(() => {});
      await this.#scope.clients.openWindow(this.#url);
    } else if (handed.action !== "decline") await taker.focus();
  }

  /** False when it is worth another attempt. */
  async #tryDecline({ id: callId, to: userId = "", origin, key = "" }: PushPayload): Promise<boolean> {
    const { applicationKey, environmentHost = this.#scope.location.origin } = this.#options;
    const body: PushDecline = { applicationKey, userId, callId, origin, key };
    const late = new AbortController();
    this.#scope.setTimeout(() => late.abort(), declineAttemptMs);
    try {
      const { status } = await this.#scope.fetch(`${baseUrlOf(environmentHost)}/v1/push/decline`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: late.signal,
      });
      return status < 500 && status !== 429;
    } catch {
      return false;
    }
  }

  async #notify(result: NotificationResult, sin: string): Promise<void> {
    if (result.isMessage) await this.#message(result, sin);
    else if (result.timedOut) await showOver(this.#board, result, sin, this.#options);
    else await this.#call(result, sin);
  }

  async #call(result: NotificationResult, sin: string): Promise<void> {
    const { callId = "" } = result;
    const rings = () => !this.#ended.now(callId);
    if (!(await showCall(this.#board, result, sin, this.#options, rings))) return;
    // It ended while the browser was about to show it.
    const end = this.#ended.sinOf(callId);
    if (end) await showOver(this.#board, toResult(readPush(end), Date.now()), end, this.#options);
    // As long as the worker lives; otherwise the push that cancels it does so, or the next one.
    this.#scope.setTimeout(() => void this.#sweep(), result.until - Date.now());
  }

  async #over(result: NotificationResult, sin: string): Promise<void> {
    await this.#ended.add(result.callId ?? "", sin);
    await showOver(this.#board, result, sin, this.#options);
  }

  /** Pushes may overtake each other, and come twice. */
  async #isOver({ callId }: NotificationResult): Promise<boolean> {
    if (!callId) return false;
    const [shown] = await this.#board.getNotifications({ tag: callId });
    const missed = shown && dataOf(shown)?.ringsUntil === undefined;
    return missed || this.#ended.has(callId);
  }

  async #message(result: NotificationResult, sin: string): Promise<void> {
    const [shown] = await this.#board.getNotifications({ tag: messagesTag });
    const count = (shown ? (dataOf(shown)?.count ?? 0) : 0) + 1;
    const composed = await this.#options.message?.(result, count);
    await show(this.#board, messagesTag, { sin, count }, composed, {
      title: count > 1 ? "New messages" : "New message",
      body: nameOf(result),
      renotify: true,
    });
  }

  #sweep(): Promise<void> {
    return sweep(this.#board, this.#options);
  }

  async #handToFront(handed: Handed): Promise<boolean> {
    const front = (await this.#windows()).filter(({ focused }) => focused);
    return (await this.#hand(front, handed)) !== undefined;
  }

  #hand(windows: readonly WorkerWindow[], handed: Handed): Promise<WorkerWindow | undefined> {
    return handTo(windows, handed, (callback, ms) => this.#scope.setTimeout(callback, ms));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => (ms ? this.#scope.setTimeout(resolve, ms) : resolve()));
  }

  get #board(): NoticeBoard {
    return this.#scope.registration;
  }

  get #url(): string {
    return this.#options.url ?? this.#scope.registration.scope;
  }

  /** The app's, the one in front first. */
  async #windows(): Promise<WorkerWindow[]> {
    const start = new URL(this.#url, this.#scope.location.origin);
    const all = await this.#scope.clients.matchAll({ type: "window", includeUncontrolled: true });
    return all
      .filter(({ url }) => isBelow(new URL(url), start))
      .sort((one, other) => Number(other.focused) - Number(one.focused));
  }
}

/** `/app` has `/app/room`, but not `/application`. */
function isBelow(url: URL, start: URL): boolean {
  const path = start.pathname.replace(/\/$/, "");
  return url.origin === start.origin && (url.pathname === path || url.pathname.startsWith(`${path}/`));
}

/**
 * A push service drops a call's push when the call stops to ring. So where one that has just come is late
 * by a little, the device's clock is wrong rather than the push: it rings for a short time.
 */
function onArrival(push: PushPayload, now: number): NotificationResult {
  const result = toResult(push, now);
  const doubtful = push.type === "call" && result.timedOut && now - push.until < clockErrorMs;
  return doubtful ? { ...result, timedOut: false, until: now + doubtfulRingMs } : result;
}
