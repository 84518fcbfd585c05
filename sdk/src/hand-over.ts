/** How the service worker hands a notification to a page: by a message, or, where no page listens yet, by the cache. */

/** What a page is handed. */
export interface Handed {
  /** The push, as it came. */
  sin: string;
  /** The person tapped its notification: what was chosen, empty for the notification itself. Missing: it was not shown. */
  action?: string;
}

/** What is kept in a notification's data. */
export interface NotificationData {
  carillon?: {
    sin: string;
    /** It says that a call rings, until then: milliseconds since 1970 on this device's clock. */
    ringsUntil?: number;
    /** The pushes that it stands for. */
    count: number;
  };
}

/** Undefined for a notification of somebody else. */
export function dataOf({ data }: { readonly data: unknown }): NotificationData["carillon"] {
  return (data as NotificationData | null | undefined)?.carillon;
}

// ---- by the cache -------------------------------------------------------------------------------

const cacheName = "carillon-push";
/** Not to be fetched by anybody: only a name in the cache. */
const pathPrefix = "/carillon-push/";

/** For the next page that looks. */
export async function leave(handed: Handed): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.put(pathPrefix + crypto.randomUUID(), new Response(JSON.stringify(handed)));
}

/** What was left and is wanted; each is for the page that takes it first. */
export async function takeLeft(wanted: (handed: Handed) => boolean = () => true): Promise<Handed[]> {
  const cache = await caches.open(cacheName);
  const taken = (await cache.keys()).map(async (request) => {
    const handed = (await (await cache.match(request))?.json()) as Handed | undefined;
    return handed && wanted(handed) && (await cache.delete(request)) ? [handed] : [];
  });
  return (await Promise.all(taken)).flat();
}

// ---- by a message -------------------------------------------------------------------------------

/** So long pages may take to say that they want it. */
const answerMs = 500;

/** As a message, so that no other message is taken for it. */
interface HandMessage {
  carillonPush: Handed;
}

/** The part of a window that is used. */
export interface Taker {
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/**
 * Asks all of them at once, and gives it to the first that wants it: a page that answers too late has
 * done nothing yet. Undefined when none wants it.
 */
export async function handTo<T extends Taker>(
  takers: readonly T[],
  handed: Handed,
  setTimeout: (callback: () => void, ms: number) => unknown,
): Promise<T | undefined> {
  if (takers.length === 0) return undefined;
  const asked = takers.map((taker) => ask(taker, handed));
  const first = await new Promise<Asked<T> | undefined>((resolve) => {
    setTimeout(() => resolve(undefined), answerMs);
    for (const one of asked) void one.wants.then((wants) => wants && resolve(one));
    void Promise.all(asked.map(({ wants }) => wants)).then((all) => all.some(Boolean) || resolve(undefined));
  });
  first?.port.postMessage(true);
  // The taker closes its own, when it has heard this.
  for (const one of asked) if (one !== first) one.port.close();
  return first?.taker;
}

interface Asked<T> {
  taker: T;
  port: MessagePort;
  wants: Promise<boolean>;
}

function ask<T extends Taker>(taker: T, handed: Handed): Asked<T> {
  const { port1: port, port2 } = new MessageChannel();
  const wants = new Promise<boolean>((resolve) => {
    port.onmessage = ({ data }) => resolve(data === true);
  });
  taker.postMessage({ carillonPush: handed } satisfies HandMessage, [port2]);
  return { taker, port, wants };
}

/** The page's side. Any other message is left alone. */
export function answerHand(
  { data, ports: [port] }: Pick<MessageEvent, "data" | "ports">,
  wants: (handed: Handed) => boolean,
  take: (handed: Handed) => void,
): void {
  const handed = (data as Partial<HandMessage> | null | undefined)?.carillonPush;
  if (!handed || !port) return;
  port.onmessage = () => {
    port.close();
    take(handed);
  };
  port.postMessage(wants(handed));
}
