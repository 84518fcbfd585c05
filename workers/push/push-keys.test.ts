/** What an isolate remembers of credentials, while they are replaced. */
import { expect, it } from "vitest";
import { type StoredPushCredential, savePushCredential } from "../../core/push/credential-store";
import { ids } from "../../test/edge/push-material";
import { bindings, newApplication } from "../../test/edge/support";
import { storeOf } from "../context";
import { forgetPushCredentials, PushKeys } from "./push-keys";

const store = storeOf(bindings);
let now = 1_800_000_000_000;

/** An application, and its only credential's key as a run of pushes sees it. */
async function withCredential() {
  const { key } = await newApplication();
  const upload = (privateKey: string) =>
    savePushCredential(store, key, { provider: "apns", privateKey, ...ids });
  await upload("old");
  const run = (env = bindings) => new PushKeys(env, "ref", () => now);
  const seen = (found: StoredPushCredential[]) => found.map(({ privateKey }) => privateKey).join();
  const read = async (keys = run(), fresh = false) => seen(await keys.credentials(key, fresh));
  return { key, upload, run, read };
}

/** Its reads are made at once and answered when they are let go; `isRead` resolves when one was made. */
function slowDatabase() {
  let [release, read] = [() => {}, () => {}];
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const isRead = new Promise<void>((resolve) => {
    read = resolve;
  });
  const slowed = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const made: unknown = value.apply(target, args);
          if (made instanceof Promise)
            return made.then((result) => {
              read();
              return gate.then(() => result);
            });
          return made instanceof Object ? slowed(made) : made;
        };
      },
    });
  return { env: { ...bindings, DB: slowed(bindings.DB) }, isRead, release };
}

it("remembers them for 10 seconds, also within a run of pushes", async () => {
  const { upload, run, read } = await withCredential();
  const keys = run();
  expect(await read(keys)).toBe("old");
  await upload("new");
  now += 9_999;
  expect(await read(keys)).toBe("old");
  now += 1;
  expect(await read(keys)).toBe("new");
});

it("reads again for who was refused, and everybody goes by that", async () => {
  const { upload, run, read } = await withCredential();
  expect(await read()).toBe("old");
  await upload("new");
  expect(await read(run(), true)).toBe("new");
  expect(await read()).toBe("new");
});

it("remembers nothing that was read before an upload and arrived after it", async () => {
  const { key, upload, run, read } = await withCredential();
  const { env, isRead, release } = slowDatabase();
  const reading = read(run(env));
  await isRead;
  await upload("new");
  forgetPushCredentials(key);
  release();
  expect(await reading).toBe("old");
  expect(await read()).toBe("new");
});

it("remembers nothing that was read before what it remembers", async () => {
  const { upload, run, read } = await withCredential();
  const { env, isRead, release } = slowDatabase();
  const reading = read(run(env));
  await isRead;
  await upload("new");
  expect(await read(run(), true)).toBe("new");
  release();
  expect(await reading).toBe("old");
  expect(await read()).toBe("new");
});
