import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Env } from "../../durable-objects/env";
import worker from "../../workers/index";
import {
  adminHeaders,
  base,
  basic,
  bindings,
  isErrorBody,
  newApplication,
  tokenRegistration,
} from "./support";

/** A platform that lets 3 through per key, and counts for as long as the test lasts. */
function limited(): Env & { keys: string[] } {
  const keys: string[] = [];
  const limit = async ({ key }: RateLimitOptions) => {
    keys.push(key);
    return { success: keys.filter((one) => one === key).length <= 3 };
  };
  return { ...bindings, RATE_LIMIT: { limit }, keys };
}

const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
const app = await newApplication();

async function ask(env: Env, address: string, path: string, init: RequestInit = {}) {
  const headers = { ...init.headers, "cf-connecting-ip": address };
  const answer = await worker.fetch(new Request(base + path, { ...init, headers }), env, context);
  const body = await answer.json<{ errorCode?: number; retryAfter?: number }>();
  if (answer.status >= 400) expect(isErrorBody(body)).toBe(true);
  return { code: body.errorCode ?? answer.status, body, headers: answer.headers };
}

const register = async (env: Env, address: string, application = app) =>
  ask(env, address, "/v1/instances", {
    method: "POST",
    body: JSON.stringify(await tokenRegistration(application, "alice")),
  });
const guess = (env: Env, address: string) =>
  ask(env, address, "/v1/users", { headers: basic({ ...app, secret: "guessed" }) });

async function codes(count: number, one: () => Promise<{ code: number }>): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < count; n++) found.push((await one()).code);
  return found;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("registrations", () => {
  test("are limited per address and application: 42900, and when to come back", async () => {
    const env = limited();
    expect(await codes(5, () => register(env, "192.0.2.1"))).toEqual([201, 201, 201, 42900, 42900]);
    const { body, headers } = await register(env, "192.0.2.1");
    expect([body.retryAfter, headers.get("retry-after")]).toEqual([10, "10"]);
    expect((await register(env, "192.0.2.2")).code).toBe(201);
    expect((await register(env, "192.0.2.1", await newApplication())).code).toBe(201);
  });

  test("of one IPv6 network count together", async () => {
    const env = limited();
    const found: number[] = [];
    for (const address of ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:0:9:8:7:6", "2001:db8::a:b:c:d"]) {
      found.push((await register(env, address)).code);
    }
    expect(found).toEqual([201, 201, 201, 42900]);
    expect((await register(env, "2001:db8::1:2:3:4:5")).code).toBe(201);
  });

  test("are not limited without the binding, nor when the limiter fails", async () => {
    const { RATE_LIMIT: _, ...without } = bindings;
    const failing = { limit: async () => Promise.reject(new Error("down")) };
    for (const env of [without, { ...bindings, RATE_LIMIT: failing }]) {
      expect(await codes(5, () => register(env, "192.0.2.3"))).toEqual([201, 201, 201, 201, 201]);
    }
  });
});

describe("guesses", () => {
  test("above the limit, an address is not listened to for 10 seconds, whatever it shows", async () => {
    const env = limited();
    expect(await codes(5, () => guess(env, "192.0.2.10"))).toEqual([40102, 40102, 40102, 40102, 42900]);
    const good = (address: string) => ask(env, address, "/v1/users", { headers: basic(app) });
    expect((await good("192.0.2.10")).code).toBe(42900);
    expect((await good("192.0.2.11")).code).toBe(200);
    vi.setSystemTime(Date.now() + 10_000);
    expect((await good("192.0.2.10")).code).toBe(200);
  });

  test("of the key of a call's push count", async () => {
    const env = limited();
    const call = { applicationKey: app.key, userId: "alice", callId: crypto.randomUUID() };
    const init = { method: "POST", body: JSON.stringify({ ...call, key: "guessed" }) };
    const declined = () => ask(env, "192.0.2.14", "/v1/push/decline", init);
    expect(await codes(5, declined)).toEqual([40300, 40300, 40300, 40300, 42900]);
  });

  test("of made-up applications and of the admin token count, what only came too late does not", async () => {
    const env = limited();
    const wrong = { headers: { authorization: "Bearer guessed" } };
    await ask(env, "192.0.2.12", "/v1/admin/applications", wrong);
    await ask(env, "192.0.2.12", "/v1/ice-servers", wrong);
    await register(env, "192.0.2.12", { ...app, key: crypto.randomUUID() });
    expect(env.keys.filter((key) => key === "guess 192.0.2.12")).toHaveLength(3);

    const late = { ...(await tokenRegistration(app, "alice", Date.now() - 3_600_000)) };
    const again = { method: "POST", body: JSON.stringify(late) };
    expect((await ask(env, "192.0.2.13", "/v1/instances", again)).code).toBe(40104);
    await ask(env, "192.0.2.13", "/v1/admin/applications", { headers: adminHeaders() });
    expect(env.keys.filter((key) => key === "guess 192.0.2.13")).toEqual([]);
  });
});
