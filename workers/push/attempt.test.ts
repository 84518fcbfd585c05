/** Which credentials a push goes with, and what a refusal means: the providers, the queue and the hub are the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PushContent } from "../../core/push/content";
import { fail, type PushDevice } from "../../protocol";
import { android, apns, call, fcm, iphone, jobs, message, reason, World } from "../../test/edge/push-world";
import { deliverPushes } from "./deliver";

let world: World;
let lines: string[];
beforeEach(() => {
  world = new World();
  lines = [];
  for (const level of ["log", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(line));
});
afterEach(() => vi.restoreAllMocks());

const logged = () => lines.map((line) => JSON.parse(line));

const deliver = (devices: PushDevice[], content: PushContent = call, attempt = 0) =>
  deliverPushes(jobs(devices, content, attempt), world.means());

const alarms = () => logged().filter(({ event }) => event === "push.credential.refused");

describe("a credential", () => {
  it("that was replaced meanwhile is read again, and the push is sent at once", async () => {
    world.answer = (_, headers) =>
      headers.get("apns-topic") && world.asked.at(-1)?.endsWith("true")
        ? new Response("")
        : reason("InvalidProviderToken", 403)();
    world.fresh = [apns("another")];
    await deliver([iphone]);
    expect(world.asked).toEqual(["callers-app false", "callers-app true"]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("that is new is found by a push that has none yet", async () => {
    world.credentials = [];
    world.fresh = [apns()];
    await deliver([iphone]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("that nobody has uploaded is looked for in an hour; a call fails at once, so that the caller hears of it", async () => {
    world.credentials = [apns("other", { bundleId: "com.example.other" })];
    await deliver([iphone, iphone, android]);
    expect(world.results().map(({ result }) => result)).toEqual(["failed", "failed", "failed"]);
    expect(world.queue).toEqual([]);
    expect(
      alarms().map(({ level, provider, application, devices }) => [level, provider, application, devices]),
    ).toEqual([
      ["error", "apns", "callers-app", 2],
      ["error", "fcm", "callers-app", 1],
    ]);
    world.budget = 25_000;
    await deliver([iphone, android], message);
    expect(world.queue.map(({ delaySeconds }) => delaySeconds)).toEqual([3_600, 3_600]);
    expect(world.requests).toEqual([]);
  });

  it.each([
    ["apns", iphone, reason("ExpiredProviderToken", 403)],
    ["apns", iphone, reason("InvalidProviderToken", 403)],
    ["fcm", android, () => Response.json({ error: { status: "UNAUTHENTICATED" } }, { status: 401 })],
  ] as const)("whose token %s refuses is used with another one, at once", async (_, device, refusal) => {
    world.token = (refused) => (refused === "old" ? "new" : "old");
    world.answer = (_, headers) =>
      headers.get("authorization")?.endsWith("new") ? new Response("") : refusal();
    await deliver([device]);
    expect(world.requests).toHaveLength(2);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("whose token is refused and may not be made anew is not tried again at once", async () => {
    world.answer = reason("ExpiredProviderToken", 403);
    await deliver([iphone]);
    expect(world.requests).toHaveLength(1);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "later" }]);
  });

  it.each(["TopicDisallowed", "BadEnvironmentKeyInToken"])(
    "that is refused with %s is not tried again at once: no token mends that",
    async (why) => {
      world.token = (refused) => `${refused}!`;
      world.answer = reason(why, why === "TopicDisallowed" ? 400 : 403);
      await deliver([iphone]);
      expect(world.requests).toHaveLength(1);
    },
  );

  it.each([
    ["invalidValue", "credential"],
    ["unavailable", "temporary"],
  ] as const)("for which there is no token (%s) is a failure of kind %s", async (name, failure) => {
    const means = world.means();
    means.keys.providerToken = async () => fail(name, { detail: "what Google said" });
    await deliverPushes(jobs([android]), means);
    expect(world.requests).toEqual([]);
    expect(world.queue).toHaveLength(1);
    expect(logged()[0]).toMatchObject({ event: "push.failed", failure, reason: "what Google said" });
  });

  it("that cannot be read, since D1 is away, is no reason to give a push up", async () => {
    const means = world.means();
    means.keys.credentials = () => Promise.reject(new Error("D1 is away"));
    await deliverPushes(jobs([iphone, android]), means);
    expect(world.results().map(({ result }) => result)).toEqual(["later", "later"]);
  });
});

/** What FCM answers for each project. */
const said = {
  sent: () => Response.json({ name: "projects/p/messages/1" }),
  mismatch: () => fcmError(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
  gone: () => fcmError(404, "NOT_FOUND", "UNREGISTERED"),
  refused: () => fcmError(403, "PERMISSION_DENIED"),
};
function fcmError(status: number, name: string, errorCode?: string) {
  const details = errorCode ? [{ errorCode }] : [];
  return Response.json({ error: { code: status, status: name, details } }, { status });
}

/** The projects of an application, the newest first, and what each says of the device's token. */
async function deliverWith(
  projects: Record<string, keyof typeof said>,
  { device = android as PushDevice, application = "app", content = call as PushContent } = {},
) {
  world.budget = 25_000;
  world.credentials = Object.keys(projects).map(fcm);
  world.answer = (url) => {
    const [, project = ""] = /projects\/([^/]*)\//.exec(url) ?? [];
    return said[projects[project] ?? "mismatch"]();
  };
  await deliverPushes(jobs([device], content, 0, application), world.means());
  const asked = world.requests.map(({ url }) => url.split("/")[5]);
  return { asked, result: world.results()[0]?.result, delay: world.queue[0]?.delaySeconds };
}

describe("a device that does not say which Firebase project it is of", () => {
  it.each(["mismatch", "gone", "refused"] as const)(
    "is pushed to with the next project when the newest says %s",
    async (answer) => {
      expect(await deliverWith({ newest: answer, old: "sent" })).toMatchObject({
        ...{ asked: ["newest", "old"], result: "sent" },
      });
    },
  );

  it("is not dropped because an application has uploaded others' projects: it fails, and somebody is told which", async () => {
    const projects = { a: "mismatch", b: "mismatch", c: "mismatch", d: "sent" } as const;
    expect(await deliverWith(projects)).toEqual({
      asked: ["a", "b", "c"],
      result: "failed",
      delay: undefined,
    });
    expect(alarms()).toMatchObject([{ credential: "a b c", reason: "SENDER_ID_MISMATCH", provider: "fcm" }]);
  });

  it.each(["mismatch", "gone"] as const)(
    "is not dropped because another application's project says %s",
    async (answer) => {
      expect(await deliverWith({ p: answer }, { application: "callers-app" })).toMatchObject({
        result: "failed",
      });
    },
  );

  it("is looked for again in an hour with a message: the right project may have been uploaded by then", async () => {
    expect(await deliverWith({ p: "mismatch" }, { content: message })).toMatchObject({
      result: "later",
      delay: 3_600,
    });
  });

  it("is dropped when one of its application's projects knows that it is gone and no other one has it", async () => {
    expect(await deliverWith({ p: "gone" })).toMatchObject({ asked: ["p"], result: "dead" });
    world = new World();
    expect(await deliverWith({ a: "mismatch", b: "gone" })).toMatchObject({ result: "dead" });
    world = new World();
    // The fourth was not asked.
    expect(await deliverWith({ a: "gone", b: "gone", c: "gone", d: "sent" })).toMatchObject({
      result: "failed",
    });
    world = new World();
    // Nor was that of which the key is no good.
    expect(await deliverWith({ a: "gone", b: "refused" })).toMatchObject({ result: "later", delay: 1 });
    expect(alarms().at(-1)).toMatchObject({ credential: "b", reason: "PERMISSION_DENIED" });
  });

  it("is pushed to with a project that was uploaded a moment ago", async () => {
    world.fresh = [fcm("newest"), fcm("p")];
    expect(await deliverWith({ p: "mismatch", newest: "sent" })).toMatchObject({ result: "sent" });
  });

  it("is tried later when there is no time for the next project", async () => {
    world.credentials = [fcm("a"), fcm("b")];
    world.answer = () => {
      world.now += 3_000;
      return said.mismatch();
    };
    await deliverPushes(jobs([android], call, 0, "app"), world.means());
    expect(world.queue).toMatchObject([{ body: { attempt: 1 }, delaySeconds: 1 }]);
  });
});

describe("a device that says which Firebase project it is of", () => {
  const named = { ...android, projectId: "its" };
  it.each(["mismatch", "gone"] as const)(
    "is dropped when that says %s, whose key it may be",
    async (answer) => {
      for (const application of ["app", "callers-app"]) {
        world = new World();
        const outcome = await deliverWith({ other: "sent", its: answer }, { device: named, application });
        expect(outcome).toMatchObject({ asked: ["its"], result: "dead" });
      }
    },
  );

  it("is pushed to with no other one", async () => {
    expect(await deliverWith({ other: "sent" }, { device: named })).toMatchObject({
      asked: [],
      result: "failed",
    });
  });
});
