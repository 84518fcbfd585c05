/**
 * For an app's pages: lets this browser be woken, and takes what the service worker hands over.
 *
 * @packageDocumentation
 */
import { limits, type PushPayload } from "../../protocol";
import type { Call } from "./call";
import type { CarillonClient } from "./client";
import { EndedCalls } from "./ended-calls";
import { answerHand, type Handed, leave, takeLeft } from "./hand-over";
import { type CallNotices, clear, showCall, showOver, sweep } from "./notices";
import { type NotificationResult, readPush, toResult } from "./notification";

export type { CallNotices, Compose, PushNotification } from "./notices";

/**
 * Subscribes this browser to pushes, and registers it as the device of the client's user. After
 * `client.start()`, from a click as long as the permission is not granted, and then at every launch:
 * browsers change subscriptions.
 *
 * @throws CarillonError (rejects) `notFound` when the application has no credential for Web Push;
 * DOMException `NotAllowedError` when the person refuses notifications, `AbortError` when the browser's
 * push service cannot be reached.
 * @example
 * const registration = await navigator.serviceWorker.register("/service-worker.js", { type: "module" });
 * button.onclick = () => subscribeToWebPush(client, registration);
 */
export async function subscribeToWebPush(
  client: CarillonClient,
  registration: ServiceWorkerRegistration,
): Promise<PushSubscription> {
  const { applicationServerKey } = await client.push.webPushKey();
  const { pushManager } = registration;
  const former = await pushManager.getSubscription();
  const fits = former && toBase64Url(former.options.applicationServerKey) === applicationServerKey;
  // A browser has one subscription, of one key.
  if (former && !fits) await former.unsubscribe();
  const subscription = fits
    ? former
    : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  const { endpoint = "", keys: { p256dh = "", auth = "" } = {} } = subscription.toJSON();
  const keys = { p256dh, auth };
  await client.push.registerPushDevice({ provider: "webpush", endpoint, keys, applicationServerKey });
  return subscription;
}

/** No pushes to this browser from now on. Rejects when the server could not be told; that is then done later. */
export async function unsubscribeFromWebPush(
  client: CarillonClient,
  registration: ServiceWorkerRegistration,
): Promise<void> {
  try {
    // First: the server would push to an endpoint that is gone.
    await client.push.unregisterPushDevice();
  } finally {
    const subscription = await registration.pushManager.getSubscription();
    await subscription?.unsubscribe();
  }
}

/** What a page does with what the service worker hands over. */
export interface ReceiveOptions {
  /** The person tapped a notification: show the conversation, or the call that was missed. */
  opened?(result: NotificationResult, action: string): void;
  /**
   * Show a notification for a call that comes over the active connection while this page is hidden, too.
   * Needs the registration of a worker with `handlePushes()`, and the permission.
   */
  hidden?: CallNotices;
}

/**
 * Takes what the service worker hands to this page: a call that the person answered in a notification
 * is answered, a push that came while the person looks at this page comes as any other call. Takes
 * the notification of a call away when the call is answered here, or over. Before `client.start()`: what
 * was tapped before the page was there waits for it. A client that does not run takes nothing, so that the
 * worker shows what comes; one that was terminated hears nothing any more.
 *
 * @returns What ends it.
 */
export function receiveNotifications(client: CarillonClient, options: ReceiveOptions = {}): () => void {
  const { serviceWorker } = navigator;
  /** Calls whose notification the person has seen. */
  const tapped = new Set<string>();
  /** Given to a client that may fail to start. */
  let early: Handed[] = [];
  const runs = () => client.status === "starting" || client.status === "started";
  const wants = ({ sin }: Handed) => runs() && (readPush(sin)?.to ?? client.userId) === client.userId;
  const take = (handed: Handed) => {
    const { sin, action } = handed;
    if (client.status === "starting") early.push(handed);
    if (action === undefined) {
      client.push.relayRemotePushNotification(sin);
      return;
    }
    const result = client.push.relayLocalNotification({ sin, action });
    tapped.add(result.callId ?? "");
    options.opened?.(result, action);
  };
  // A browser without a cache has nothing for us.
  const takeUp = async () => {
    for (const handed of await takeLeft(wants).catch(() => [])) take(handed);
  };
  const giveBack = () => {
    for (const handed of early.splice(0)) leave(handed).catch(() => {});
  };
  const hear = (event: MessageEvent) => answerHand(event, wants, take);
  serviceWorker.addEventListener("message", hear);
  // Messages may come before the page has loaded.
  serviceWorker.startMessages();
  if (runs()) void takeUp();
  const unlisten = [
    client.on("starting", () => void takeUp()),
    client.on("started", () => {
      early = [];
    }),
    client.on("failed", giveBack),
    client.on("stopped", () => stop()),
    client.callClient.on("incomingCall", (call) => {
      const { hidden } = options;
      const shows = hidden && !tapped.has(call.callId) && document.visibilityState === "hidden";
      if (shows) void showHidden(client, call, hidden);
      // Its push may come once more.
      call.on("answered", () => void new EndedCalls().add(call.callId));
      for (const event of ["answered", "ended"] as const) call.on(event, () => void clearAll(call.callId));
    }),
    client.push.on("callOver", ({ callId }) => void clearAll(callId)),
  ];
  const stop = () => {
    giveBack();
    serviceWorker.removeEventListener("message", hear);
    for (const end of unlisten) end();
  };
  return stop;
}

/** As the worker would, had there been a push. */
async function showHidden(client: CarillonClient, call: Call, notices: CallNotices): Promise<void> {
  const { callId: id, remoteUserId: from, remoteDisplayName: name, headers, details } = call;
  const until = Date.now() + limits.ringSecondsMax * 1_000;
  const to = client.userId;
  const push: PushPayload = { v: 1, type: "call", id, to, from, name, headers, until };
  if (details.videoOffered) push.video = true;
  const board = await navigator.serviceWorker.getRegistration();
  const rings = () => call.state === "ringing";
  // The worker may have shown it for a push, or it was faster than we.
  if (!board || !rings() || (await board.getNotifications({ tag: id })).length > 0) return;
  const over = async () => {
    const { endCause: cause, answeredTime } = call.details;
    if (call.state !== "ended" || answeredTime !== undefined || cause === "hungUp") return clear(board, id);
    const cancel: PushPayload = { ...push, type: "cancel", cause };
    await showOver(board, toResult(cancel, Date.now()), JSON.stringify(cancel), notices);
  };
  call.on("ended", () => void over());
  if (!(await showCall(board, toResult(push, Date.now()), JSON.stringify(push), notices, rings))) return;
  // It ended while the browser was about to show it.
  if (!rings()) await over();
  setTimeout(() => void sweep(board, notices), until - Date.now());
}

async function clearAll(callId: string | undefined): Promise<void> {
  for (const registration of await navigator.serviceWorker.getRegistrations())
    await clear(registration, callId);
}

function toBase64Url(buffer: ArrayBuffer | null): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0))));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
