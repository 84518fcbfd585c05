import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Push } from "../../scripts/dev/push/desk.mjs";
import { freePort, processTree, until } from "../support/programs";
import { newState, removeState, runStart, type Server, startServer } from "../support/server";

const states: string[] = [];
const servers: Server[] = [];

function stateFolder(): string {
  const state = newState();
  states.push(state);
  return state;
}

async function start(options: Parameters<typeof startServer>[0] = {}): Promise<Server> {
  const server = await startServer({ ...options, state: options.state ?? stateFolder() });
  servers.push(server);
  return server;
}

afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  states.forEach(removeState);
});

/** Whether something listens there. */
async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    (answer) => answer.ok,
    () => false,
  );
}

async function startFails(env: Record<string, string>): Promise<string> {
  const program = runStart(env);
  expect(await program.exited).toBe(1);
  const lines = program.output().trim().split("\n");
  expect(lines).toHaveLength(1);
  return lines[0] ?? "";
}

/** The fragment of a link. */
const fragment = (link: string) => new URLSearchParams(new URL(link).hash.slice(1));

describe("npm start", () => {
  it("gives a platform, a demo application and three links, and keeps them over a restart", async () => {
    const first = await start();
    expect(await answers(first.url)).toBe(true);
    const page = await fetch(first.url);
    expect(page.headers.get("content-type")).toContain("text/html");

    expect(statSync(join(first.state, "demo.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(first.state, "secrets.json")).mode & 0o777).toBe(0o600);
    for (const user of ["alice", "bob", "carol"] as const) {
      expect(first.output()).toContain(first.links[user]);
      expect(fragment(first.links[user]).get("key")).toBe(first.applicationKey);
      expect(fragment(first.links[user]).get("user")).toBe(user);
      expect(await register(first, user)).toBe(201);
    }
    const log = readFileSync(join(first.state, "carillon.log"), "utf8");
    for (const text of [first.output(), log]) {
      expect(text).not.toContain(first.applicationSecret);
      expect(text).not.toContain(first.adminToken);
    }

    expect(await first.stop()).toBe(0);
    expect(await answers(first.url)).toBe(false);

    const second = await start({ state: first.state });
    expect(second.applicationKey).toBe(first.applicationKey);
    expect(second.applicationSecret).toBe(first.applicationSecret);
    expect(second.links.alice).not.toBe(first.links.alice);
    expect(await register(second, "alice")).toBe(201);
    await second.stop();
  });

  it("has three phones of bob's asleep, the same after a restart", async () => {
    const first = await start();
    expect(first.output()).toContain(`phones ${first.phones}`);
    const page = await fetch(first.phones ?? "");
    expect(await page.text()).toContain("bob's phones");
    expect(statSync(join(first.state, "push.json")).mode & 0o777).toBe(0o600);
    const providers = ["apns", "fcm", "webpush"];
    expect(await pushesOf(first)).toEqual({ credentials: providers, phones: providers });
    await pushesAfterWriting(first);
    await first.stop();
    expect(await answers(first.phones ?? "")).toBe(false);

    const second = await start({ state: first.state });
    expect(await pushesOf(second)).toEqual({ credentials: providers, phones: providers });
    const pushes = await pushesAfterWriting(second);
    const woken = await fetch(`${second.phones}/wake/${pushes[0]?.number}`, { redirect: "manual" });
    const link = new URL(woken.headers.get("location") ?? "");
    expect(link.origin).toBe(second.url);
    expect(fragment(link.href).get("user")).toBe("bob");
    expect(JSON.parse(fragment(link.href).get("push") ?? "")).toMatchObject({
      v: 1,
      type: "message",
      to: "bob",
    });
    await second.stop();
  });

  it("has a page where every number rings, a trunk to it, prices and some credit, the same after a restart", async () => {
    const first = await start();
    expect(first.output()).toContain(`telephone ${first.telephony}`);
    expect(await (await fetch(first.telephony ?? "")).text()).toContain("Any number, or any SIP address");
    expect(statSync(join(first.state, "telephony.json")).mode & 0o777).toBe(0o600);
    expect(await telephonyOf(first)).toEqual(demoTelephony);
    // What somebody has changed stays.
    const card = "prefix,name,perMinute,connectFee,increment\n46,Sweden,0.5,0,60\n";
    expect((await administer(first, "PUT", "/rates", card)).status).toBe(200);
    await first.stop();

    const second = await start({ state: first.state });
    expect(await telephonyOf(second)).toEqual({ ...demoTelephony, rates: 1 });
    await second.stop();
  });

  it("does without telephones where nobody wants them", async () => {
    const server = await start({ env: { CARILLON_TRUNK: "off" } });
    expect(server.telephony).toBeUndefined();
    expect(server.output()).not.toContain("telephone");
    expect(await telephonyOf(server)).toMatchObject({ trunks: [], rates: 0 });
    await server.stop();
  });

  it("has an SFU, unless the environment names one or wants none", async () => {
    const own = await start();
    expect(settingsOf(own)).toMatch(/^SFU_URL='http:\/\/127\.0\.0\.1:\d+\/v1'$/m);
    await own.stop();
    const named = await start({ env: { SFU_APP_ID: "theirs", SFU_APP_SECRET: "theirs, too" } });
    expect(settingsOf(named)).toContain("SFU_APP_ID='theirs'\n");
    expect(settingsOf(named)).not.toContain("SFU_URL");
    await named.stop();
    const none = await start({ env: { CARILLON_SFU: "off" } });
    expect(settingsOf(none)).not.toContain("SFU_");
    await none.stop();
  });

  it("goes on when the phones, the telephone network and the SFU die", async () => {
    const server = await start();
    for (const [script, words] of [
      ["push/main.mjs", "The phones have gone"],
      ["telephony/main.mjs", "The telephone network has gone"],
      ["sfu/main.mjs", "The SFU has gone"],
    ] as const) {
      const pid = processTree(server.pid).find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${script}\0${server.state}`),
      );
      process.kill(pid ?? Number.NaN, "SIGKILL");
      await until("a word about it", () => server.output().includes(words));
    }
    expect(await answers(server.url)).toBe(true);
    expect(await server.stop()).toBe(0);
  });

  it("leaves pushes to the services that the environment names", async () => {
    const server = await start({ env: { FCM_URL: "http://127.0.0.1:9" } });
    expect(server.phones).toBeUndefined();
    expect(server.output()).not.toContain("phones");
    expect(settingsOf(server)).toContain("FCM_URL='http://127.0.0.1:9'\n");
    expect(await pushesOf(server)).toEqual({ credentials: [], phones: [] });
    await server.stop();
  });

  it("runs twice side by side, and leaves nothing behind when it is killed", async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.port).not.toBe(two.port);
    expect(await answers(one.url)).toBe(true);
    expect(await answers(two.url)).toBe(true);
    expect(one.applicationKey).not.toBe(two.applicationKey);

    process.kill(one.pid, "SIGKILL");
    await until("the port to be free", async () => !(await answers(one.url)));
    expect(await answers(two.url)).toBe(true);
    await two.stop();
  });

  it("says in one line that the port is in use", async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    const line = await startFails({ PORT: String(port), CARILLON_STATE: stateFolder() });
    other.close();
    expect(line).toContain(`Port ${port} is in use`);
  });

  it("says in one line that the state folder is not writable", async () => {
    const file = join(stateFolder(), "file");
    writeFileSync(file, "");
    const line = await startFails({ PORT: String(await freePort()), CARILLON_STATE: join(file, "state") });
    expect(line).toContain("is not writable");
  });

  it("says in one line that Node is too old", async () => {
    expect(await startFails({ CARILLON_NODE_VERSION: "18.20.1" })).toContain("needs Node 20 or later");
  });
});

const demoTelephony = { trunks: ["answered 200"], rates: 14, balance: 10_000_000, shown: true };

/** What the demo application has to call with, and what its trunks answer. */
async function telephonyOf(server: Server) {
  const path = `/applications/${server.applicationKey}/trunks`;
  const { trunks } = (await administer(server, "GET", path)).body as { trunks: { id: string }[] };
  const checks = trunks.map(async ({ id }) => {
    const { body } = await administer(server, "POST", `${path}/${id}/check`, {});
    return `answered ${body.status}`;
  });
  const { text } = await administer(server, "GET", "/rates");
  const { body } = await administer(server, "GET", "/accounts/default/credits");
  const rates = text.trim().split("\n").length - 1;
  return { trunks: await Promise.all(checks), rates, balance: body.balance, shown: body.showBalance };
}

/** A text is CSV. */
async function administer({ url, adminToken }: Server, method: string, path: string, body?: unknown) {
  const csv = typeof body === "string";
  const headers = {
    authorization: `Bearer ${adminToken}`,
    "content-type": csv ? "text/csv" : "application/json",
  };
  const answer = await fetch(`${url}/v1/admin${path}`, {
    method,
    headers,
    body: csv ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, text, body: text.startsWith("{") ? JSON.parse(text) : {} };
}

/** What the platform was started with. */
const settingsOf = (server: Server) => readFileSync(join(server.state, "platform.env"), "utf8");

/** One push on each of bob's phones, when somebody writes to him. */
async function pushesAfterWriting(server: Server): Promise<Push[]> {
  const { url, applicationKey, applicationSecret, phones } = server;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const written = await fetch(`${url}/v1/messages`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ recipients: ["bob"], text: "Your taxi is here." }),
  });
  expect(written.status).toBe(201);
  const all = await until("a push on each phone", async () => {
    const { pushes } = (await (await fetch(`${phones}/pushes`)).json()) as { pushes: Push[] };
    return pushes.length >= 3 && pushes;
  });
  expect(all.map(({ provider }) => provider).sort()).toEqual(["apns", "fcm", "webpush"]);
  expect(all.filter(({ delivered, problem }) => !delivered || problem)).toEqual([]);
  return all;
}

/** The providers of the demo application's credentials, and of bob's installations. */
async function pushesOf(server: Server): Promise<{ credentials: string[]; phones: string[] }> {
  const { url, applicationKey, applicationSecret } = server;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const read = async (path: string) => (await fetch(url + path, { headers: { authorization } })).json();
  const { credentials } = (await read("/v1/push/credentials")) as { credentials: { provider: string }[] };
  const { instances } = (await read("/v1/users/bob/instances")) as { instances?: { push?: string[] }[] };
  return {
    credentials: credentials.map(({ provider }) => provider).sort(),
    phones: (instances ?? []).flatMap(({ push = [] }) => push).sort(),
  };
}

/** Registers with a link, as the page does. */
async function register(server: Server, user: keyof Server["links"]): Promise<number> {
  const token = fragment(server.links[user]).get("token");
  const answer = await fetch(`${server.url}/v1/instances`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ applicationKey: server.applicationKey, userId: user, token }),
  });
  return answer.status;
}
