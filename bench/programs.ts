/** The two servers of the benchmark, each in a runtime and with a state of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/programs";

/** wrangler's own record of every request, which only `wrangler dev` has: several writes for each, durable ones. */
const noRecord = { X_LOCAL_OBSERVABILITY: "false" };

export interface Program {
  url: string;
  state: string;
  pid: number;
  stop(): Promise<void>;
}

export interface Demo {
  url: string;
  applicationKey: string;
  applicationSecret: string;
}

/** The platform, started as a user starts it, with these settings. */
export async function startPlatform(settings: Record<string, string>): Promise<Program & { demo: Demo }> {
  const port = await freePort();
  const state = mkdtempSync(join(tmpdir(), "carillon-bench-"));
  // One user sends as much as it can, and is not to be held back.
  const unlimited = { MESSAGES_PER_SECOND: "1000000", MESSAGES_BURST: "1000000" };
  const environment = {
    ...process.env,
    ...noRecord,
    ...unlimited,
    ...settings,
    PORT: String(port),
    CARILLON_STATE: state,
  };
  const child = spawn(process.execPath, ["scripts/start.mjs"], { env: environment, stdio: "ignore" });
  running.add(child);
  const url = `http://127.0.0.1:${port}`;
  const demoFile = join(state, "demo.json");
  await until(() => existsSync(demoFile), child);
  await until(() => answers(`${url}/health`), child);
  const demo = JSON.parse(readFileSync(demoFile, "utf8")) as Demo;
  return { url, state, demo, pid: child.pid ?? 0, stop: () => stop(child) };
}

/** The floor: `bench/floor`. */
export async function startFloor(): Promise<Program> {
  const port = await freePort();
  const state = mkdtempSync(join(tmpdir(), "carillon-floor-"));
  const wrangler = [
    "dev",
    "--config",
    "bench/floor/wrangler.toml",
    "--ip",
    "127.0.0.1",
    "--port",
    String(port),
  ];
  const child = spawn(
    process.execPath,
    ["node_modules/wrangler/bin/wrangler.js", ...wrangler, "--inspector-port", "0", "--persist-to", state],
    {
      stdio: "ignore",
      env: {
        ...process.env,
        ...noRecord,
        WRANGLER_SEND_METRICS: "false",
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
        CI: "true",
      },
    },
  );
  running.add(child);
  const url = `http://127.0.0.1:${port}`;
  await until(() => answers(`${url}/warm`), child);
  return { url, state, pid: child.pid ?? 0, stop: () => stop(child) };
}

/** Resident memory of the runtimes below a process, bytes. */
export function memoryBelow(pid: number): number {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,rss=,comm="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((row) => row.trim().split(/\s+/));
  const below = new Set([String(pid)]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [id = "", parent = ""] of rows) {
      if (below.has(parent) && !below.has(id)) grown = Boolean(below.add(id));
    }
  }
  return rows
    .filter(([id = "", , , name = ""]) => below.has(id) && name.includes("workerd"))
    .reduce((sum, [, , kilobytes]) => sum + Number(kilobytes) * 1_024, 0);
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, {
    method: url.endsWith("/health") ? "GET" : "POST",
    body: url.endsWith("/health") ? undefined : '{"id":1}',
  })
    .then((response) => response.ok)
    .catch(() => false);
}

async function until(ready: () => boolean | Promise<boolean>, child: ChildProcess): Promise<void> {
  for (const end = Date.now() + 90_000; Date.now() < end; ) {
    if (child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode}`);
    if (await ready()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("a server did not come up in 90 s");
}

/** Ended from outside, the benchmark takes its servers with it. */
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGINT");
});

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => {
      running.delete(child);
      resolve();
    });
    child.kill("SIGINT");
  });
}
