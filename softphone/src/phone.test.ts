import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCaches } from "../../sdk/src/testing/worker";
import { Phone } from "./phone";

const link = { key: "196087a1-e815-4bc4-8984-60d8d8a43f1d", user: "alice", token: "" };

/** What the page hears of its service worker. */
const listeners = new Set<unknown>();
const fetch = vi.fn(async () => new Response(null, { status: 500 }));

describe("what the service worker hands over", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    listeners.clear();
    vi.stubGlobal("fetch", fetch);
    vi.stubGlobal("caches", new FakeCaches());
    vi.stubGlobal("localStorage", { getItem: () => null, setItem() {}, removeItem() {} });
    vi.stubGlobal("history", { replaceState() {} });
    vi.stubGlobal("location", { origin: "https://app.example", hostname: "app.example" });
    vi.stubGlobal("navigator", {
      serviceWorker: {
        addEventListener: (_: string, listener: unknown) => listeners.add(listener),
        removeEventListener: (_: string, listener: unknown) => listeners.delete(listener),
        startMessages() {},
      },
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  async function signIn(phone: Phone, user: string, meanwhile?: () => void): Promise<void> {
    const done = phone.signIn({ ...link, user });
    meanwhile?.();
    await vi.advanceTimersByTimeAsync(60_000);
    await done;
  }

  it("is heard by nobody when nobody could sign in", async () => {
    const phone = new Phone(
      () => {},
      () => Date.now(),
    );
    const heard = vi.fn(() => expect(listeners.size).toBe(1));
    await signIn(phone, "alice", heard);
    expect(heard).toHaveBeenCalled();
    expect([phone.problem !== undefined, listeners.size]).toEqual([true, 0]);
    // And by one at a time after that.
    await signIn(phone, "bob", heard);
    expect(listeners.size).toBe(0);
  });
});
