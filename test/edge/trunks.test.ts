/** Gateways to the phone network: taken in, checked, kept sealed, listed without their passwords. */
import { describe, expect, test } from "vitest";
import { openSecret } from "../../core/applications/secret-box";
import { addTrunk, loadTrunks } from "../../core/telephony/trunk-store";
import { serverLimits } from "../../protocol";
import { storeOf } from "../../workers/context";
import { deleteApplication } from "./push-material";
import { adminHeaders, basic, bindings, newApplication, request, type TestApplication } from "./support";

const store = storeOf(bindings);
const password = "s3cret of the trunk";
const shown = {
  ...{ name: "Carrier", url: "wss://sip.example.com:7443/ws", user: "alice", fromDomain: "example.com" },
  ...{ callerId: "+46701234567", preference: 5, prefixes: ["+46", "!+46900"], domains: ["example.com"] },
};
const least = { name: "n", url: "wss://sip.example.com", user: "u", password, fromDomain: "example.com" };

const ask = (app: TestApplication, method: string, path = "", body?: unknown) =>
  request(method, `/v1/trunks${path}`, { headers: basic(app), ...(body !== undefined && { body }) });
const add = (app: TestApplication, body: unknown) => ask(app, "POST", "", body);
const listed = async (app: TestApplication) => (await ask(app, "GET")).body.trunks;

/** What the database holds of an application, as text. */
async function atRest({ key }: TestApplication): Promise<string> {
  const rows = await bindings.DB.prepare("SELECT * FROM trunks WHERE application_key = ?").bind(key).all();
  return JSON.stringify(rows.results);
}

describe("what is taken", () => {
  test("all of it, and a password that nobody sees again", async () => {
    const app = await newApplication();
    const answer = await add(app, { ...shown, password });
    const { id, created, ...rest } = answer.body;
    expect([answer.status, rest]).toEqual([201, shown]);
    expect(Math.abs(created - Date.now())).toBeLessThan(10_000);
    expect(await listed(app)).toEqual([{ id, created, ...shown }]);
    expect(await atRest(app)).not.toContain(password);
    const [trunk] = await loadTrunks(bindings.DB, app.key);
    if (!trunk) throw new Error("no trunk");
    expect(trunk).toEqual({ id, ...shown, password: expect.any(Object) });
    expect(await openSecret(bindings.MASTER_KEY, app.key, trunk.password)).toBe(password);
    await expect(openSecret(bindings.MASTER_KEY, crypto.randomUUID(), trunk.password)).rejects.toThrow();
  });

  test("the least: all numbers, no domain", async () => {
    const app = await newApplication();
    const { status, body } = await add(app, least);
    expect([status, body]).toMatchObject([201, { preference: 10, prefixes: ["+"], domains: [] }]);
  });

  test.each<object>([
    { url: "ws://localhost:8088/ws?x=1" },
    { url: "ws://127.0.0.1:8088" },
    { url: "ws://[::1]:8088" },
    { url: `wss://example.com/${"x".repeat(236)}` },
    { fromDomain: "192.0.2.1:5060" },
    { fromDomain: "[2001:db8::1]:5061" },
    { fromDomain: "Sip.Example.COM" },
    { callerId: "anonymous" },
    { callerId: "1000" },
    { user: "alice@example.com" },
    { password: "ö ü \" \\ '" },
    { prefixes: [] },
    { prefixes: ["+", "!+", "+123456789012345"] },
    { domains: ["*", "a.example", "192.0.2.1", "[::1]"] },
    { preference: 0 },
  ])("%j", async (change) => {
    const { status, body } = await add(await newApplication(), { ...least, ...change });
    const { password: _, ...expected } = { ...least, ...change };
    expect([status, body]).toMatchObject([201, expected]);
  });
});

test.each<[object, string]>([
  [{ name: "" }, "name: has to have 1 to 100 characters"],
  [{ url: undefined }, "url: has to be of type string"],
  [{ url: "ws://sip.example.com" }, "url: has to be wss://"],
  [{ url: "ws://localhost.example.com" }, "url: has to be wss://"],
  [{ url: "ws://127.0.0.1@example.com" }, "url: has to be wss://"],
  [{ url: "https://sip.example.com" }, "url: has to be wss://"],
  [{ url: "wss:sip.example.com" }, "url: has to be wss://"],
  [{ url: "wss://user:pass@sip.example.com" }, "url: has to be wss://"],
  [{ url: "wss://sip.example.com/#x" }, "url: has to be wss://"],
  [{ url: "wss://sip.example.com/\r\nx" }, "url: has to be wss://"],
  [{ url: " wss://sip.example.com" }, "url: has to be wss://"],
  [{ url: `wss://example.com/${"x".repeat(238)}` }, "url: has to have 1 to 255 characters"],
  [{ user: "" }, "user: has to have 1 to 255"],
  [{ user: "al\nice" }, "user: must not"],
  [{ user: 'al"ice' }, "user: must not"],
  [{ password: undefined }, "password: has to be of type string"],
  [{ password: "" }, "password: has to have 1 to 255"],
  [{ password: "x\r\nVia: y" }, "password: must not have control characters"],
  [{ fromDomain: "exa mple.com" }, "fromDomain: has to be a host name"],
  [{ fromDomain: "example.com\n" }, "fromDomain: has to be a host name"],
  [{ fromDomain: "sip:example.com" }, "fromDomain: has to be a host name"],
  [{ fromDomain: "example.com;x=y" }, "fromDomain: has to be a host name"],
  [{ fromDomain: `${"x".repeat(250)}.com` }, "fromDomain: has to be a host name"],
  [{ callerId: "+46 70" }, "callerId: has to be a number"],
  [{ callerId: "+0701234567" }, "callerId: has to be a number"],
  [{ callerId: "a@b" }, "callerId: has to be a number"],
  [{ callerId: "a>\r\nX: y" }, "callerId: has to be a number"],
  [{ preference: 1.5 }, "preference: "],
  [{ preference: -1 }, "preference: has to be from 0"],
  [{ prefixes: "+46" }, "prefixes: has to be of type array"],
  [{ prefixes: ["+46", "46"] }, "prefixes.1: has to be + and up to 15 digits"],
  [{ prefixes: ["+1234567890123456"] }, "prefixes.0: has to be +"],
  [{ prefixes: ["*"] }, "prefixes.0: has to be +"],
  [{ prefixes: Array(serverLimits.trunkRules + 1).fill("+46") }, "prefixes: has at most 1000"],
  [{ domains: ["*.example.com"] }, "domains.0: has to be a host name"],
  [{ domains: ["example.com:5060"] }, "domains.0: has to be a host name"],
  [{ domains: Array(serverLimits.trunkRules + 1).fill("a") }, "domains: has at most 1000"],
  [{ prefixs: ["+46"] }, "body: there is no field prefixs"],
])("%j is refused", async (change, problem) => {
  const app = await newApplication();
  const { status, body, text } = await add(app, { ...least, ...change });
  expect([status, body.errorCode]).toEqual([400, 40001]);
  expect(body.detail).toContain(problem);
  expect(text).not.toContain(password);
  expect(await listed(app)).toEqual([]);
});

describe("what is kept", () => {
  test("is in the order in which it is tried", async () => {
    const app = await newApplication();
    const times = [
      [2, 5],
      [1, 9],
      [2, 4],
      [0, 7],
    ] as const;
    for (const [preference, time] of times) {
      const one = { ...least, preference, name: `${preference}/${time}`, prefixes: [], domains: [] };
      await addTrunk({ ...store, now: () => time }, app.key, one);
    }
    const order = ["0/7", "1/9", "2/4", "2/5"];
    expect((await listed(app)).map(({ name }: { name: string }) => name)).toEqual(order);
    expect((await loadTrunks(bindings.DB, app.key)).map(({ name }) => name)).toEqual(order);
  });

  test("is replaced as a whole; without a password it keeps the one that it has", async () => {
    const app = await newApplication();
    const { url, user } = least;
    const { id, created } = (await add(app, { ...shown, url, user, password })).body;
    const opened = async () => {
      const [trunk] = await loadTrunks(bindings.DB, app.key);
      return trunk && openSecret(bindings.MASTER_KEY, app.key, trunk.password);
    };
    const { password: _, ...rest } = least;
    const replaced = await ask(app, "PUT", `/${id}`, { ...rest, prefixes: ["+47"] });
    const now = { id, created, ...rest, preference: 10, prefixes: ["+47"], domains: [] };
    expect([replaced.status, replaced.body]).toEqual([200, now]);
    expect(await listed(app)).toEqual([now]);
    expect(await opened()).toBe(password);
    await ask(app, "PUT", `/${id}`, { ...least, password: "another", prefixes: ["+47"] });
    expect(await opened()).toBe("another");
    // Another gateway could have it guessed.
    for (const other of [{ url: "wss://evil.example.com" }, { user: "eve" }]) {
      const moved = await ask(app, "PUT", `/${id}`, { ...rest, prefixes: ["+47"], ...other });
      expect([moved.status, moved.body.detail]).toEqual([400, expect.stringContaining("password: ")]);
    }
    // Who leaves the numbers out does not mean all of them.
    const open = await ask(app, "PUT", `/${id}`, rest);
    expect([open.status, open.body.detail]).toEqual([400, expect.stringContaining("prefixes: ")]);
    expect((await listed(app))[0].prefixes).toEqual(["+47"]);
  });

  test("goes by its id", async () => {
    const app = await newApplication();
    const { id } = (await add(app, least)).body;
    expect((await ask(app, "DELETE", `/${id}`)).status).toBe(204);
    expect(await listed(app)).toEqual([]);
    const gone = [
      ask(app, "DELETE", `/${id}`),
      ask(app, "PUT", `/${id}`, { ...shown }),
      ask(app, "POST", `/${id}/check`),
    ];
    for (const { body } of await Promise.all(gone)) expect(body.errorCode).toBe(40400);
  });

  test("is 20 at most, however many come at the same time", async () => {
    const app = await newApplication();
    const one = { ...least, preference: 1, prefixes: [], domains: [] };
    const most = serverLimits.trunksPerApplication;
    const added = await Promise.all(Array.from({ length: most + 5 }, () => addTrunk(store, app.key, one)));
    expect(added.filter(({ ok }) => ok)).toHaveLength(most);
    const { body } = await add(app, least);
    expect([body.errorCode, body.detail]).toEqual([40900, expect.stringContaining("at most 20 trunks")]);
    const [first] = await listed(app);
    expect((await ask(app, "PUT", `/${first.id}`, { ...shown, password })).status).toBe(200);
    await ask(app, "DELETE", `/${first.id}`);
    expect((await add(app, least)).status).toBe(201);
    expect((await add(await newApplication(), least)).status).toBe(201);
  });
});

describe("whose they are", () => {
  test("an application's own: nobody else lists, replaces, removes or checks them", async () => {
    const [app, other] = [await newApplication("trunks"), await newApplication("trunks")];
    const { id } = (await add(app, least)).body;
    expect(await listed(other)).toEqual([]);
    const tried = [
      ask(other, "PUT", `/${id}`, { ...shown }),
      ask(other, "DELETE", `/${id}`),
      ask(other, "POST", `/${id}/check`),
    ];
    for (const { body } of await Promise.all(tried)) expect(body.errorCode).toBe(40400);
    expect(await listed(app)).toMatchObject([{ id, name: "n" }]);
    expect((await request("GET", "/v1/trunks")).body.errorCode).toBe(40100);
  });

  test("the administrator has the same below the application", async () => {
    const app = await newApplication();
    const path = `/v1/admin/applications/${app.key}/trunks`;
    const admin = { headers: adminHeaders() };
    const { id } = (await request("POST", path, { ...admin, body: least })).body;
    expect((await request("GET", path, admin)).body.trunks).toEqual(await listed(app));
    expect((await request("PUT", `${path}/${id}`, { ...admin, body: { ...shown, password } })).status).toBe(
      200,
    );
    expect(await listed(app)).toMatchObject([{ id, ...shown }]);
    expect((await request("DELETE", `${path}/${id}`, admin)).status).toBe(204);
    expect(await listed(app)).toEqual([]);
  });

  test("they go with the application at once, and none comes to one that is gone", async () => {
    const app = await newApplication();
    await add(app, least);
    await deleteApplication(app);
    expect(await atRest(app)).toBe("[]");
    const late = await addTrunk(store, app.key, { ...shown, password });
    expect(late).toMatchObject({ ok: false, error: { name: "unauthorized" } });
    expect(await atRest(app)).toBe("[]");
  });
});
