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
    /** It says that a call rings. */
    rings: boolean;
    /** The pushes that it stands for. */
    count: number;
  };
}

/** Undefined for a notification of somebody else. */
export function dataOf({ data }: { readonly data: unknown }): NotificationData["carillon"] {
  return (data as NotificationData | null | undefined)?.carillon;
}

const cacheName = "carillon-push";
/** Not to be fetched by anybody: only a name in the cache. */
const pathPrefix = "/carillon-push/";

/** For the next page that looks. */
export async function leave(handed: Handed): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.put(pathPrefix + crypto.randomUUID(), new Response(JSON.stringify(handed)));
}

/** What was left; each is for the page that takes it first. */
export async function takeLeft(): Promise<Handed[]> {
  const cache = await caches.open(cacheName);
  const taken = (await cache.keys()).map(async (request) => {
    const response = await cache.match(request);
    return response && (await cache.delete(request)) ? [(await response.json()) as Handed] : [];
  });
  return (await Promise.all(taken)).flat();
}

/** As a message, so that no other message is taken for it. */
export interface HandMessage {
  carillonPush: Handed;
}

/** The message's content; undefined for any other message. */
export function readHandMessage(data: unknown): Handed | undefined {
  return (data as Partial<HandMessage> | null | undefined)?.carillonPush;
}
