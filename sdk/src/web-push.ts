/**
 * For an app's pages: lets this browser be woken, and takes what the service worker hands over.
 *
 * @packageDocumentation
 */
import type { CarillonClient } from "./client";
import { dataOf, type Handed, readHandMessage, takeLeft } from "./hand-over";
import type { NotificationResult } from "./notification";

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

/** No pushes to this browser from now on. */
export async function unsubscribeFromWebPush(
  client: CarillonClient,
  registration: ServiceWorkerRegistration,
): Promise<void> {
  const subscription = await registration.pushManager.getSubscription();
  await subscription?.unsubscribe();
  await client.push.unregisterPushDevice();
}

/**
 * Takes what the service worker hands to this page: a call that the person answered in a notification
 * is answered, a push that came while the person looks at this page comes as any other call. Takes
 * the notification of a call away when the call is answered here, or over. As soon as there is a client:
 * what was tapped before the page was there waits for it.
 *
 * @param opened The person tapped a notification: show the conversation, or the call that was missed.
 * @returns What ends it.
 */
export function receiveNotifications(
  client: CarillonClient,
  opened: (result: NotificationResult, action: string) => void = () => {},
): () => void {
  const { serviceWorker } = navigator;
  const receive = ({ sin, action }: Handed): boolean => {
    const result =
      action === undefined
        ? client.push.relayRemotePushNotification(sin)
        : client.push.relayLocalNotification({ sin, action });
    if (result.userId !== undefined && result.userId !== client.userId) return false;
    if (action !== undefined) opened(result, action);
    return true;
  };
  const hear = ({ data, ports }: MessageEvent) => {
    const handed = readHandMessage(data);
    if (handed) ports[0]?.postMessage(receive(handed));
  };
  serviceWorker.addEventListener("message", hear);
  // Messages may come before the page has loaded.
  serviceWorker.startMessages();
  void takeLeft().then((left) => {
    for (const handed of left) receive(handed);
  });
  const unlisten = [
    client.callClient.on("incomingCall", (call) => {
      for (const event of ["answered", "ended"] as const) call.on(event, () => void clear(call.callId));
    }),
    client.push.on("callOver", ({ callId }) => void clear(callId)),
  ];
  return () => {
    serviceWorker.removeEventListener("message", hear);
    for (const end of unlisten) end();
  };
}

/** That a call was missed may stay. */
async function clear(tag: string | undefined): Promise<void> {
  for (const registration of await navigator.serviceWorker.getRegistrations()) {
    for (const shown of await registration.getNotifications({ tag })) if (dataOf(shown)?.rings) shown.close();
  }
}

function toBase64Url(buffer: ArrayBuffer | null): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0))));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
