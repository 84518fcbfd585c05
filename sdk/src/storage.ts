/** Where the SDK keeps the instance's credentials and messages that wait: any store of texts will do. */
export interface CarillonStorage {
  get(key: string): Promise<string | null | undefined>;
  set(key: string, value: string): Promise<unknown>;
  delete(key: string): Promise<unknown>;
}

/** IndexedDB where there is one that works (it is closed in some private windows), memory elsewhere. */
export function defaultStorage(): CarillonStorage {
  /** What the database did not take: it counts in the place of what is there. */
  const memory = new Map<string, string | undefined>();
  let opened: Promise<IDBDatabase | undefined> | undefined;

  /** Undefined without a database; the request, carried out, otherwise. */
  const run = async (mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest) => {
    opened ??= openDatabase(() => {
      opened = undefined;
    }).catch(() => undefined);
    const transaction = (await opened)?.transaction("kv", mode);
    if (!transaction) return undefined;
    const request = use(transaction.objectStore("kv"));
    return new Promise<IDBRequest>((resolve, reject) => {
      // A disk that is full is found out at the end, when the request has long succeeded.
      transaction.oncomplete = () => resolve(request);
      transaction.onabort = () => reject(transaction.error);
    });
  };
  const write = async (key: string, value?: string) => {
    const written = await run("readwrite", (store) =>
      value === undefined ? store.delete(key) : store.put(value, key),
    ).catch(() => undefined);
    if (written) memory.delete(key);
    else memory.set(key, value);
  };
  return {
    get: async (key) =>
      memory.has(key) ? memory.get(key) : (await run("readonly", (store) => store.get(key)))?.result,
    set: write,
    delete: write,
  };
}

/** `closed`: by the browser, say because its data were deleted. */
async function openDatabase(closed: () => void): Promise<IDBDatabase> {
  const request = indexedDB.open("carillon", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kv");
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      request.result.onclose = closed;
      resolve(request.result);
    };
    request.onerror = reject;
  });
}
