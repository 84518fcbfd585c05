import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defaultStorage } from "./storage";

/** IndexedDB, as much of it as is used: one store, and what can go wrong with it. */
class FakeDatabase {
  readonly kept = new Map<string, string>();
  /** The requests succeed, and then the transaction does not. */
  full = false;
  refused = false;
  opened = 0;
  #database: { onclose?: () => void } = {};

  open() {
    this.opened += 1;
    const request: Record<string, unknown> = {};
    queueMicrotask(() => {
      if (this.refused) return (request.onerror as () => void)();
      this.#database = { transaction: () => this.#transaction() } as object;
      request.result = this.#database;
      (request.onsuccess as () => void)();
    });
    return request;
  }

  /** The browser closes it. */
  close() {
    this.#database.onclose?.();
  }

  #transaction() {
    const { kept } = this;
    let undo = () => {};
    const changed = (key: string, change: () => void) => {
      const before = kept.get(key);
      undo = () => (before === undefined ? kept.delete(key) : kept.set(key, before));
      change();
      return { result: undefined };
    };
    const transaction = {
      error: new Error("QuotaExceededError"),
      oncomplete: () => {},
      onabort: () => {},
      objectStore: () => ({
        get: (key: string) => ({ result: kept.get(key) }),
        put: (value: string, key: string) => changed(key, () => kept.set(key, value)),
        delete: (key: string) => changed(key, () => kept.delete(key)),
      }),
    };
    queueMicrotask(() => {
      if (!this.full) return transaction.oncomplete();
      undo();
      transaction.onabort();
    });
    return transaction;
  }
}

let database: FakeDatabase;

beforeEach(() => {
  database = new FakeDatabase();
  vi.stubGlobal("indexedDB", database);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

test("what is stored outlives the page", async () => {
  await defaultStorage().set("a", "1");
  const next = defaultStorage();
  expect(await next.get("a")).toBe("1");
  await next.delete("a");
  expect(await defaultStorage().get("a")).toBeUndefined();
});

test("what a full disk does not take counts all the same, until it is taken", async () => {
  const storage = defaultStorage();
  await storage.set("queue", "old");
  await storage.set("gone", "old");
  database.full = true;
  await storage.set("queue", "new");
  await storage.delete("gone");
  expect([await storage.get("queue"), await storage.get("gone")]).toEqual(["new", undefined]);
  expect(database.kept.get("queue")).toBe("old");
  database.full = false;
  await storage.set("queue", "newer");
  expect([await storage.get("queue"), database.kept.get("queue")]).toEqual(["newer", "newer"]);
});

test("a database that the browser closed is opened anew", async () => {
  const storage = defaultStorage();
  await storage.set("a", "1");
  database.close();
  expect(await storage.get("a")).toBe("1");
  expect(database.opened).toBe(2);
});

test.each(["refused", "missing"])("without a database (%s) it is kept in memory", async (why) => {
  if (why === "missing") vi.stubGlobal("indexedDB", undefined);
  database.refused = true;
  const storage = defaultStorage();
  await storage.set("a", "1");
  expect(await storage.get("a")).toBe("1");
  await storage.delete("a");
  expect(await storage.get("a")).toBeUndefined();
});
