/** Real programs for tests: started on free ports, found when they are ready, and gone afterwards. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";

/**
 * A port on 127.0.0.1 that is free, from below those that the system gives out by itself: what a
 * program opens for its own use may take one of those in the moment before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + randomInt(20_000);
    if (await isFree(port)) return port;
  }
}

/** Whether nothing listens there. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** Asks until the answer is there. Errors: `what` was not to be had within `limit` milliseconds. */
export async function until<Value>(
  what: string,
  ask: () => Value | undefined | false | Promise<Value | undefined | false>,
  limit = 30_000,
): Promise<Value> {
  for (const end = Date.now() + limit; Date.now() < end; ) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${limit} ms`);
}

/** The process and all that it started, deepest last. */
export function processTree(pid: number): number[] {
  const parents = execFileSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const tree = [pid];
  for (const parent of tree)
    for (const [child, its] of parents) if (its === parent && child !== undefined) tree.push(child);
  return tree;
}

/** `kill -9` of the process and all that it started, at once: what a power cut does. */
export function killTree(pid: number): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
}

/** A program with what it wrote so far. */
export interface Program {
  readonly process: ChildProcess;
  readonly pid: number;
  output(): string;
  /** Its exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

/** Starts a program. `env` is on top of this process's. */
export function startProgram(command: string, args: string[], env: Record<string, string> = {}): Program {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => {
      output += text;
    });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", reject);
  });
  exited.catch(() => {});
  return { process: child, pid: child.pid ?? -1, output: () => output, exited };
}

/** Where a program of the system is; those of daemons are often off the path of users. Set: `{NAME}_PATH`. */
export function findProgram(name: string): string {
  const set = process.env[`${name.toUpperCase()}_PATH`];
  return set ?? [`/usr/bin/${name}`, `/usr/sbin/${name}`].find((path) => existsSync(path)) ?? name;
}

/** A browser to drive: CHROMIUM_PATH, or the system's. Errors: there is none. */
export function browserPath(): string {
  const places = [
    process.env.CHROMIUM_PATH,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  const found = places.find((path) => path !== undefined && existsSync(path));
  if (!found) throw new Error("no browser: install chromium or set CHROMIUM_PATH");
  return found;
}

/** What keeps Chromium quiet without a network, and gives it a camera and a microphone. */
export const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  // Real host candidates: there is no multicast DNS on every machine.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];
