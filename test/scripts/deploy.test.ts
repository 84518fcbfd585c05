import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Deployment, deploy, parseArguments, rehearse } from "../../scripts/lib/deployment.mjs";
import { run } from "../../scripts/lib/processes.mjs";
import { databaseId } from "../../scripts/lib/wrangler-toml.mjs";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const toml = readFileSync(at("../../wrangler.toml"), "utf8").replace(
  /(database_id = ")(?!local)[^"]*/g,
  "$1",
);

interface Account {
  loggedIn: boolean;
  failAt?: string;
  calls: string[];
  databases: { name: string; uuid: string }[];
  queues: string[];
  workers: Record<string, Record<string, string>>;
}

let folder: string;
let said: string[];
let builds: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "carillon-deploy-"));
  said = [];
  builds = 0;
  setAccount({ loggedIn: true, calls: [], databases: [], queues: [], workers: {} });
  writeFileSync(join(folder, "wrangler.toml"), toml);
});

afterEach(() => rmSync(folder, { recursive: true }));

const account = (): Account => JSON.parse(readFileSync(join(folder, "account.json"), "utf8"));
function setAccount(next: Account) {
  writeFileSync(join(folder, "account.json"), JSON.stringify(next));
}
/** What has been asked since the last time. */
function takeCalls(): string[] {
  const { calls, ...rest } = account();
  setAccount({ ...rest, calls: [] });
  return calls;
}
const config = () => readFileSync(join(folder, "wrangler.toml"), "utf8");
const kept = () => JSON.parse(readFileSync(join(folder, "secrets.json"), "utf8"));

function deployment(env: string): Deployment {
  return {
    env,
    say: (line) => said.push(line),
    run: ([node = "", , ...args], options) =>
      run([node, at("./wrangler-stand-in.mjs"), ...args], {
        ...options,
        env: { WRANGLER_ACCOUNT: join(folder, "account.json") },
      }),
    config: { read: config, write: (text) => writeFileSync(join(folder, "wrangler.toml"), text) },
    keepSecrets(secrets) {
      const path = join(folder, "secrets.json");
      writeFileSync(path, JSON.stringify(secrets));
      return path;
    },
    build: async () => {
      builds += 1;
    },
  };
}

describe("npm run deploy", () => {
  it("makes everything that a new account lacks, in the order that Cloudflare needs", async () => {
    expect(await deploy(deployment("sandbox"))).toBe("https://carillon-sandbox.example.workers.dev");
    expect(takeCalls()).toEqual([
      "whoami",
      "d1 list --json",
      "d1 create carillon-sandbox",
      "d1 list --json",
      "queues info carillon-sandbox-push",
      "queues create carillon-sandbox-push",
      "queues info carillon-sandbox-push-dead",
      "queues create carillon-sandbox-push-dead",
      "d1 migrations apply DB --remote --env sandbox",
      "deploy --env sandbox",
      "secret list --env sandbox --format json",
      "secret put MASTER_KEY --env sandbox",
      "secret put ADMIN_TOKEN --env sandbox",
    ]);
    expect(builds).toBe(1);
    expect(databaseId(config(), "sandbox")).toBe("id-of-carillon-sandbox");
    expect(databaseId(config(), "production")).toBe("");
  });

  it("tells where the secrets are, and tells no secret", async () => {
    await deploy(deployment("sandbox"));
    const secrets = account().workers.sandbox ?? {};
    expect(kept()).toEqual(secrets);
    expect(Buffer.from(secrets.MASTER_KEY ?? "", "base64")).toHaveLength(32);
    expect(secrets.ADMIN_TOKEN?.length).toBeGreaterThanOrEqual(32);
    for (const secret of Object.values(secrets)) {
      expect(said.join("\n")).not.toContain(secret);
      expect(account().calls.join("\n")).not.toContain(secret);
    }
    expect(said.join("\n")).toContain(join(folder, "secrets.json"));
  });

  it("changes nothing but the code the second time", async () => {
    await deploy(deployment("sandbox"));
    const before = { config: config(), secrets: account().workers.sandbox, databases: account().databases };
    takeCalls();
    await deploy(deployment("sandbox"));
    expect(takeCalls()).toEqual([
      "whoami",
      "d1 list --json",
      "queues info carillon-sandbox-push",
      "queues info carillon-sandbox-push-dead",
      "d1 migrations apply DB --remote --env sandbox",
      "deploy --env sandbox",
      "secret list --env sandbox --format json",
    ]);
    expect({ config: config(), secrets: account().workers.sandbox, databases: account().databases }).toEqual(
      before,
    );
  });

  it("goes on where it failed, and keeps the secret that was already set", async () => {
    setAccount({ ...account(), failAt: "secret put ADMIN_TOKEN --env sandbox" });
    await expect(deploy(deployment("sandbox"))).rejects.toThrow("wrangler secret put ADMIN_TOKEN failed");
    const master = account().workers.sandbox?.MASTER_KEY;
    expect(kept().MASTER_KEY).toBe(master);
    setAccount({ ...account(), failAt: undefined });
    await deploy(deployment("sandbox"));
    expect(account().workers.sandbox?.MASTER_KEY).toBe(master);
    expect(account().workers.sandbox?.ADMIN_TOKEN).toBe(kept().ADMIN_TOKEN);
  });

  it("makes no queue when it cannot tell whether it is there", async () => {
    setAccount({ ...account(), failAt: "queues info carillon-sandbox-push-dead" });
    await expect(deploy(deployment("sandbox"))).rejects.toThrow("wrangler queues info");
    expect(account().queues).toEqual(["carillon-sandbox-push"]);
    expect(account().workers).toEqual({});
  });

  it("makes the queues that wrangler.toml names", async () => {
    await deploy(deployment("production"));
    const named = [...config().matchAll(/(?:queue|_queue) = "(carillon-production-[^"]*)"/g)];
    expect(new Set(named.map(([, name]) => name))).toEqual(new Set(account().queues));
  });

  it("keeps the environments apart", async () => {
    await deploy(deployment("sandbox"));
    await deploy(deployment("production"));
    expect(databaseId(config(), "sandbox")).toBe("id-of-carillon-sandbox");
    expect(databaseId(config(), "production")).toBe("id-of-carillon-production");
    expect(account().workers.production?.MASTER_KEY).not.toBe(account().workers.sandbox?.MASTER_KEY);
    expect(databaseId(config(), "production")).not.toBe("local");
    expect(config()).toContain('database_id = "local"');
  });

  it("says in one line that nobody is logged in, and asks for nothing else", async () => {
    setAccount({ ...account(), loggedIn: false });
    await expect(deploy(deployment("sandbox"))).rejects.toThrow(
      /^You are not logged in to Cloudflare: [^\n]+$/,
    );
    expect(takeCalls()).toEqual(["whoami"]);
  });

  it("rehearses without a login and without touching anything", async () => {
    setAccount({ ...account(), loggedIn: false });
    await rehearse(deployment("production"), join(folder, "out"));
    expect(takeCalls()).toEqual([`deploy --dry-run --env production --outdir ${join(folder, "out")}`]);
    expect(config()).toBe(toml);
    expect(said.at(-1)).toContain("Nothing was deployed");
  });
});

describe("its arguments", () => {
  it("are an environment and whether to rehearse", () => {
    expect(parseArguments(["--env", "sandbox"])).toEqual({ env: "sandbox", dryRun: false });
    expect(parseArguments(["--dry-run", "--env=production"])).toEqual({ env: "production", dryRun: true });
  });

  it.each([[[]], [["--env"]], [["--env", "staging"]], [["sandbox"]]])("are refused otherwise: %j", (args) => {
    expect(() => parseArguments(args)).toThrow(
      /^Use: npm run deploy -- --env sandbox\|production \[--dry-run\]$/,
    );
  });
});
