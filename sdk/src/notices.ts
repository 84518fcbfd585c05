/** What the person sees of calls, on a service worker's registration: shown by the worker, or by a page that is hidden. */
import { dataOf, type NotificationData } from "./hand-over";
import { type NotificationResult, readPush, toResult } from "./notification";

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

/** How calls look. */
export interface CallNotices {
  call?: Compose<[NotificationResult]>;
  /** Takes the place of the call's notification. */
  missedCall?: Compose<[NotificationResult]>;
}

export interface ShownNotification {
  readonly data: unknown;
  close(): void;
}

/** The part of a registration that is used. */
export interface NoticeBoard {
  showNotification(title: string, options: object): Promise<void>;
  getNotifications(filter?: { tag?: string }): Promise<ShownNotification[]>;
}

/** Ended by somebody who knows of it: nothing was missed. */
const known = ["otherDeviceAnswered", "denied"];

/**
 * A call rings.
 *
 * @param sin What its push says.
 * @param rings Whether it still does: it may end while the app composes.
 * @returns False when it does not, and was not shown; true when it may have ended while it was.
 */
export async function showCall(
  board: NoticeBoard,
  result: NotificationResult,
  sin: string,
  { call }: CallNotices,
  rings: () => boolean,
): Promise<boolean> {
  const composed = await call?.(result);
  if (!rings()) return false;
  await show(board, result.callId, { sin, ringsUntil: result.until, count: 1 }, composed, {
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
  return true;
}

/** The call's notification goes, and one that says that it was missed comes in its place. */
export async function showOver(
  board: NoticeBoard,
  result: NotificationResult,
  sin: string,
  { missedCall }: CallNotices,
): Promise<void> {
  for (const shown of await board.getNotifications({ tag: result.callId })) shown.close();
  if (known.includes(result.canceled ?? "")) return;
  const data = { sin, count: 1 };
  const usual = { title: "Missed call", body: nameOf(result), silent: true };
  await show(board, result.callId, data, await missedCall?.(result), usual);
}

/** A ringing call's notification goes; that a call was missed may stay. */
export async function clear(board: NoticeBoard, tag: string | undefined): Promise<void> {
  for (const shown of await board.getNotifications({ tag })) if (dataOf(shown)?.ringsUntil) shown.close();
}

/** Calls that do not ring any more, of which nobody has told this browser. */
export async function sweep(board: NoticeBoard, notices: CallNotices): Promise<void> {
  for (const shown of await board.getNotifications()) {
    const { sin = "", ringsUntil } = dataOf(shown) ?? {};
    if (ringsUntil === undefined || Date.now() < ringsUntil) continue;
    const result = { ...toResult(readPush(sin), Date.now()), timedOut: true };
    await showOver(board, result, sin, notices);
  }
}

export async function show(
  board: NoticeBoard,
  tag: string | undefined,
  carillon: NotificationData["carillon"],
  composed: PushNotification | null | undefined,
  usual: PushNotification,
): Promise<void> {
  if (composed === null) return;
  const { title = "", vibrate, ...options } = { ...usual, ...composed };
  const data: NotificationData = { carillon };
  await board.showNotification(title, {
    ...options,
    // A silent one may not say how it vibrates.
    ...(!options.silent && { vibrate }),
    tag,
    data,
  });
}

export function nameOf({ displayName, remoteUserId }: NotificationResult): string | undefined {
  return displayName ?? remoteUserId;
}
