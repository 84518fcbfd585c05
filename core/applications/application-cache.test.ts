import { expect, test, vi } from "vitest";
import { ApplicationCache } from "./application-cache";

const application = (key: string) => ({ key, accountId: "a", name: "n", instancesValidFrom: 0, secrets: [] });

/** A cache, a clock, and a database that has every key that starts with "k". */
function setUp() {
  const cache = new ApplicationCache();
  const clock = { now: 0 };
  const load = vi.fn(async (key: string) => (key.startsWith("k") ? application(key) : undefined));
  const find = (key: string, maxAge?: number) =>
    cache.find(key, { now: () => clock.now, load: () => load(key) }, maxAge);
  return { cache, clock, load, find };
}

/** Reads that end when the test says so. */
function holdReads(load: ReturnType<typeof setUp>["load"]) {
  type Found = ReturnType<typeof application> | undefined;
  const reads: ((found: Found) => void)[] = [];
  load.mockImplementation(() => new Promise<Found>((resolve) => reads.push(resolve)));
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

test("what is read while it changes is not remembered", async () => {
  const { cache, load, find } = setUp();
  const reads = holdReads(load);
  const before = find("k");
  cache.forget("k");
  reads[0]?.(application("k old"));
  expect((await before)?.key).toBe("k old");
  const after = find("k");
  reads[1]?.(application("k"));
  await after;
  expect((await find("k"))?.key).toBe("k");
  expect(reads).toHaveLength(2);
});

test("while one reads anew, others go by what is remembered for a second; who wants it as it is now reads", async () => {
  const { clock, load, find } = setUp();
  await find("k");
  const reads = holdReads(load);
  clock.now = 30_000;
  void find("k");
  expect((await find("k"))?.key).toBe("k");
  expect((await find("k", 1_000))?.key).toBe("k");
  expect(reads).toHaveLength(1);
  void find("k", 0);
  expect(reads).toHaveLength(2);
  clock.now = 31_000;
  void find("k");
  expect(reads).toHaveLength(3);
});

test("a read that ends late does not replace a later one", async () => {
  const { clock, load, find } = setUp();
  const reads = holdReads(load);
  const early = find("k");
  clock.now = 1;
  const late = find("k");
  reads[1]?.(application("k"));
  await late;
  reads[0]?.(application("k old"));
  await early;
  expect((await find("k"))?.key).toBe("k");
});

test("a read that fails is not remembered", async () => {
  const { load, find } = setUp();
  load.mockRejectedValueOnce(new Error("down"));
  await expect(find("k")).rejects.toThrow("down");
  expect((await find("k"))?.key).toBe("k");
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
