/** Where the SDK keeps the instance's credentials and messages that wait: any store of texts will do. */
export interface CarillonStorage {
  get(key: string): Promise<string | null | undefined>;
  set(key: string, value: string): Promise<unknown>;
  delete(key: string): Promise<unknown>;
}

/** IndexedDB where there is one that works (it is closed in some private windows), memory elsewhere. */
export function defaultStorage(): CarillonStorage {
  const memory = new Map<string, string>();
  const fallback: CarillonStorage = {
    get: async (key) => memory.get(key),
    set: async (key, value) => memory.set(key, value),
    delete: async (key) => memory.delete(key),
  };
  if (!globalThis.indexedDB) return fallback;

  let opened: Promise<IDBDatabase> | undefined;
  const run = async <T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>) => {
    opened ??= openDatabase();
    const request = use((await opened).transaction("kv", mode).objectStore("kv"));
    return settled(request);
  };
  return {
    get: (key) => run<string>("readonly", (store) => store.get(key)).catch(() => fallback.get(key)),
    set: (key, value) =>
      run("readwrite", (store) => store.put(value, key)).catch(() => fallback.set(key, value)),
    delete: (key) => run("readwrite", (store) => store.delete(key)).catch(() => fallback.delete(key)),
  };
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open("carillon", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kv");
  return settled(request);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
