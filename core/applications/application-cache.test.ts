import { expect, test, vi } from "vitest";
import { ApplicationCache } from "./application-cache";

const application = (key: string) => ({ key, accountId: "a", name: "n", instancesValidFrom: 0, secrets: [] });

test("one load serves 30 seconds", async () => {
  const cache = new ApplicationCache();
  const load = vi.fn(async (key: string) => application(key));
  await cache.find("k", 0, load);
  expect((await cache.find("k", 29_999, load))?.key).toBe("k");
  expect(load).toHaveBeenCalledTimes(1);
  await cache.find("k", 30_000, load);
  expect(load).toHaveBeenCalledTimes(2);
});

test("a forgotten one is loaded again, an unknown one each time", async () => {
  const cache = new ApplicationCache();
  const load = vi.fn(async (key: string) => (key === "k" ? application(key) : undefined));
  await cache.find("k", 0, load);
  cache.forget("k");
  await cache.find("k", 0, load);
  expect(await cache.find("x", 0, load)).toBeUndefined();
  expect(await cache.find("x", 0, load)).toBeUndefined();
  expect(load).toHaveBeenCalledTimes(4);
});

test("it stays bounded: the oldest goes", async () => {
  const cache = new ApplicationCache();
  const load = vi.fn(async (key: string) => application(key));
  for (let n = 0; n <= 1_000; n++) await cache.find(`k${n}`, 0, load);
  await cache.find("k1000", 0, load);
  expect(load).toHaveBeenCalledTimes(1_001);
  await cache.find("k0", 0, load);
  expect(load).toHaveBeenCalledTimes(1_002);
});
