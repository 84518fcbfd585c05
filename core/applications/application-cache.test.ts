import { expect, test, vi } from "vitest";
import { ApplicationCache } from "./application-cache";

const application = (key: string) => ({ key, accountId: "a", name: "n", instancesValidFrom: 0, secrets: [] });

/** A cache, a clock, and a database that has every key that starts with "k". */
function setUp() {
  const cache = new ApplicationCache();
  const clock = { now: 0 };
  const keepAlive = vi.fn();
  const load = vi.fn(async (key: string) => (key.startsWith("k") ? application(key) : undefined));
  const find = (key: string, maxAge?: number) =>
    cache.find(key, { now: () => clock.now, load: () => load(key), keepAlive }, maxAge);
  return { cache, clock, load, keepAlive, find };
}

/** Reads that end when the test says so. */
function holdReads(load: ReturnType<typeof setUp>["load"]) {
  type Found = ReturnType<typeof application> | undefined;
  const reads: { resolve: (found: Found) => void; reject: (error: Error) => void }[] = [];
  load.mockImplementation(() => new Promise<Found>((resolve, reject) => reads.push({ resolve, reject })));
  return reads;
}

test("one read serves 30 seconds, and one of nothing 5", async () => {
  const { clock, load, find } = setUp();
  for (const [key, ms] of [
    ["k", 30_000],
    ["x", 5_000],
  ] as const) {
    load.mockClear();
    clock.now = 0;
    await find(key);
    clock.now = ms - 1;
    expect((await find(key))?.key).toBe(key === "k" ? "k" : undefined);
    expect(load).toHaveBeenCalledTimes(1);
    clock.now = ms;
    await find(key);
    expect(load).toHaveBeenCalledTimes(2);
  }
});

test("a request may want it younger", async () => {
  const { clock, load, find } = setUp();
  await find("k");
  await find("k", 0);
  expect(load).toHaveBeenCalledTimes(2);
  clock.now = 999;
  await find("k", 1_000);
  expect(load).toHaveBeenCalledTimes(2);
  clock.now = 1_000;
  await find("k", 1_000);
  expect(load).toHaveBeenCalledTimes(3);
});

test("what appears is seen after 5 seconds, what goes after 30", async () => {
  const { clock, load, find } = setUp();
  await find("x");
  load.mockImplementation(async (key) => application(key));
  clock.now = 5_000;
  expect((await find("x"))?.key).toBe("x");
  load.mockImplementation(async () => undefined);
  clock.now = 35_000;
  expect(await find("x")).toBeUndefined();
});

test("a forgotten one is read again, also when a read is under way", async () => {
  const { cache, load, find } = setUp();
  const reads = holdReads(load);
  const before = find("k");
  cache.forget("k");
  const after = find("k");
  expect(reads).toHaveLength(2);
  reads[0]?.resolve(application("k old"));
  reads[1]?.resolve(application("k"));
  expect([(await before)?.key, (await after)?.key]).toEqual(["k old", "k"]);
  expect((await find("k"))?.key).toBe("k");
  expect(reads).toHaveLength(2);
});

test("all who ask at the same time share one read, which outlives the first of them", async () => {
  const { load, keepAlive, find } = setUp();
  const reads = holdReads(load);
  const all = [find("k"), find("k"), find("k", 0)];
  reads[0]?.resolve(application("k"));
  for (const one of await Promise.all(all)) expect(one?.key).toBe("k");
  expect(reads).toHaveLength(1);
  expect(keepAlive).toHaveBeenCalledTimes(1);
});

test("those who want it as it is now do not take a read that began before, but share the next", async () => {
  const { clock, load, find } = setUp();
  const reads = holdReads(load);
  const first = find("k");
  clock.now = 5;
  const later = [find("k", 0), find("k", 0)];
  clock.now = 9;
  reads[0]?.resolve(application("k old"));
  expect((await first)?.key).toBe("k old");
  await vi.waitUntil(() => reads.length > 1);
  reads[1]?.resolve(application("k"));
  for (const one of await Promise.all(later)) expect(one?.key).toBe("k");
  expect(reads).toHaveLength(2);
});

test("a read that fails fails for one request, and one that never ends holds nobody for good", async () => {
  const { clock, load, find } = setUp();
  const reads = holdReads(load);
  const first = find("k");
  const second = find("k");
  reads[0]?.reject(new Error("down"));
  await expect(first).rejects.toThrow("down");
  await vi.waitUntil(() => reads.length > 1);
  reads[1]?.resolve(application("k"));
  expect((await second)?.key).toBe("k");

  void find("x");
  clock.now = 10_000;
  const late = find("x");
  expect(reads).toHaveLength(4);
  reads[3]?.resolve(undefined);
  expect(await late).toBeUndefined();
});

test("it stays bounded: the oldest goes, and made-up keys push out no real one", async () => {
  const { load, find } = setUp();
  for (let n = 0; n <= 1_000; n++) await find(`k${n}`);
  for (let n = 0; n <= 1_000; n++) await find(`x${n}`);
  load.mockClear();
  await find("k1000");
  await find("x1000");
  expect(load).not.toHaveBeenCalled();
  await find("k0");
  await find("x0");
  expect(load).toHaveBeenCalledTimes(2);
});
