// @ts-check
/** Programs that the tests drive: a browser, a relay, a gateway and a phone. Fetched where that is possible, named where not. */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "./processes.mjs";
import { Problem, say } from "./terminal.mjs";

/**
 * Which packages of Debian bring which program. `service`: what they start by themselves; `module`: a
 * file below `/usr/lib/*` without which the program is not enough.
 *
 * @type {{ packages: string[], names: string[], setting: string, service?: string, module?: string }[]}
 */
const programs = [
  {
    packages: ["chromium"],
    names: ["chromium", "chromium-browser", "google-chrome"],
    setting: "CHROMIUM_PATH",
  },
  { packages: ["coturn"], names: ["turnserver"], setting: "TURNSERVER_PATH", service: "coturn" },
  {
    packages: ["kamailio", "kamailio-websocket-modules"],
    names: ["kamailio"],
    setting: "KAMAILIO_PATH",
    service: "kamailio",
    module: "kamailio/modules/websocket.so",
  },
  {
    packages: ["rtpengine-daemon"],
    names: ["rtpengine"],
    setting: "RTPENGINE_PATH",
    service: "rtpengine-daemon",
  },
  { packages: ["baresip-core"], names: ["baresip"], setting: "BARESIP_PATH" },
];

/** @param {(typeof programs)[number]} program */
function isThere({ names, setting, module }) {
  const set = process.env[setting];
  if (set) return existsSync(set);
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/sbin"];
  return folders.some((folder) => names.some((name) => existsSync(join(folder, name)))) && hasModule(module);
}

/** @param {string} [module] */
function hasModule(module) {
  return !module || readdirSync("/usr/lib").some((folder) => existsSync(join("/usr/lib", folder, module)));
}

/** Errors: a {@link Problem} that names what is missing and how to get it. */
export async function bringPrograms() {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  const packages = missing.flatMap((program) => program.packages);
  if (existsSync("/etc/debian_version") && process.getuid?.() === 0) {
    say(`Installing ${packages.join(", ")} …`);
    await install(missing);
  }
  const still = programs.filter((program) => !isThere(program));
  if (still.length === 0) return;
  const how = still.map(({ packages, setting }) => `${packages.join(" with ")} (or ${setting}=/path/to/it)`);
  throw new Problem(
    `The tests need ${how.join(" and ")}. On Debian 12: sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`,
  );
}

/** Asked by Debian's packages before they start a daemon. */
const policy = "/usr/sbin/policy-rc.d";

/** The tests start their own daemons: none is to run on this machine because of them. @param {typeof programs} missing */
async function install(missing) {
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const packages = missing.flatMap((program) => program.packages);
    await run(["apt-get", "update", "-q"], { env });
    await run(["apt-get", "install", "-yq", "--no-install-recommends", ...packages], { env });
  } finally {
    if (ours) rmSync(policy);
  }
  const services = missing.flatMap(({ service }) => service ?? []);
  // Nor after the next start of the machine.
  if (services.length > 0) await run(["systemctl", "disable", ...services]);
}
