// @ts-check
/** Programs that the tests drive: a browser and a relay. Fetched where that is possible, named where not. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "./processes.mjs";
import { Problem, say } from "./terminal.mjs";

/** Which package of Debian brings which program. */
const programs = [
  { package: "chromium", names: ["chromium", "chromium-browser", "google-chrome"], setting: "CHROMIUM_PATH" },
  { package: "coturn", names: ["turnserver"], setting: "TURNSERVER_PATH" },
];

/** @param {(typeof programs)[number]} program */
function isThere({ names, setting }) {
  const set = process.env[setting];
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/sbin"];
  return set
    ? existsSync(set)
    : folders.some((folder) => names.some((name) => existsSync(join(folder, name))));
}

/** Errors: a {@link Problem} that names what is missing and how to get it. */
export async function bringPrograms() {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => program.package);
  if (existsSync("/etc/debian_version") && process.getuid?.() === 0) {
    say(`Installing ${packages.join(" and ")} …`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run(["apt-get", "update", "-q"], { env });
    await run(["apt-get", "install", "-yq", "--no-install-recommends", ...packages], { env });
  }
  const still = programs.filter((program) => !isThere(program));
  if (still.length === 0) return;
  const how = still.map((program) => `${program.package} (or ${program.setting}=/path/to/it)`).join(" and ");
  throw new Problem(
    `The tests need ${how}. On Debian and Ubuntu: sudo apt-get install -y ${packages.join(" ")}`,
  );
}
