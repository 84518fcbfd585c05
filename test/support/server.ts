/** The platform as `npm start` runs it: on a free port, with a state folder of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, isFree, killTree, type Program, startProgram, until } from "./programs";

const script = fileURLToPath(new URL("../../scripts/start.mjs", import.meta.url));

/** What `demo.json` in the state folder holds. */
export interface Demo {
  url: string;
  applicationKey: string;
  applicationSecret: string;
  links: { alice: string; bob: string; carol: string };
  /** The page that plays bob's phones, and what controls the push services of this machine. */
  phones?: string;
  /** The page where every number rings. */
  telephony?: string;
}

export interface Server extends Demo {
  port: number;
  /** The state folder; hand it to the next server to restart on the same state. */
  state: string;
  adminToken: string;
  /** Of `npm start`'s own process. */
  pid: number;
  output(): string;
  /** As Ctrl-C does. Answers the exit code. */
  stop(): Promise<number | null>;
  /** `kill -9` of everything; the state folder stays. */
  kill(): Promise<void>;
}

/** An empty state folder. */
export function newState(): string {
  return mkdtempSync(join(tmpdir(), "carillon-state-"));
}

export function removeState(state: string): void {
  rmSync(state, { recursive: true, force: true, maxRetries: 5 });
}

/** Runs `scripts/start.mjs` and does not wait for anything. */
export function runStart(env: Record<string, string>): Program {
  return startProgram(process.execPath, [script], env);
}

/** Starts the platform and waits until it answers and its links are made. */
export async function startServer(
  options: { state?: string; port?: number; env?: Record<string, string> } = {},
): Promise<Server> {
  const state = options.state ?? newState();
  const port = options.port ?? (await freePort());
  const program = runStart({ ...options.env, CARILLON_STATE: state, PORT: String(port) });
  let ended = false;
  program.exited.then(() => {
    ended = true;
  });
  const ready = () => {
    if (ended) throw new Error(`npm start ended:\n${program.output()}`);
    return program.output().includes("Carillon runs at");
  };
  try {
    await until("the platform", ready, 50_000);
  } catch (error) {
    killTree(program.pid);
    throw error;
  }
  const read = (name: string) => JSON.parse(readFileSync(join(state, name), "utf8"));
  const demo: Demo = read("demo.json");
  return {
    ...demo,
    port,
    state,
    adminToken: read("secrets.json").ADMIN_TOKEN,
    pid: program.pid,
    output: program.output,
    stop() {
      program.process.kill("SIGINT");
      return program.exited;
    },
    async kill() {
      killTree(program.pid);
      await program.exited;
      // What it had started may take a moment longer to be gone.
      await until("the end of the platform", () => isFree(port));
    },
  };
}

/** A registration token for a user: it works once. */
export async function mintToken(
  { url, applicationKey, adminToken }: Pick<Server, "url" | "applicationKey" | "adminToken">,
  user: string,
): Promise<string> {
  const path = `/v1/admin/applications/${applicationKey}/users/${encodeURIComponent(user)}/token`;
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ ttlSeconds: 3_600 }),
  });
  return ((await answer.json()) as { token: string }).token;
}
