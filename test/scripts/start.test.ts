import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { freePort, until } from "../support/programs";
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
  it("gives a platform, a demo application and two links, and keeps them over a restart", async () => {
    const first = await start();
    expect(await answers(first.url)).toBe(true);
    const page = await fetch(first.url);
    expect(page.headers.get("content-type")).toContain("text/html");

    expect(statSync(join(first.state, "demo.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(first.state, "secrets.json")).mode & 0o777).toBe(0o600);
    for (const user of ["alice", "bob"] as const) {
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

/** Registers with a link, as the page does. */
async function register(server: Server, user: "alice" | "bob"): Promise<number> {
  const token = fragment(server.links[user]).get("token");
  const answer = await fetch(`${server.url}/v1/instances`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ applicationKey: server.applicationKey, userId: user, token }),
  });
  return answer.status;
}
