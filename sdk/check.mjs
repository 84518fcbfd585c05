/** Looks at the package as npm and TypeScript would: publint, and attw for ES modules. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const run = (command, ...args) =>
  execFileSync(command, args, { cwd: here, stdio: ["ignore", "pipe", "inherit"] });
const tool = (name) => join(here, "../node_modules/.bin", name);

const packed = JSON.parse(run("npm", "pack", "--json", "--loglevel", "error").toString());
const archive = join(here, (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).filename);
try {
  console.log(run(tool("publint"), "run", archive, "--strict").toString());
  console.log(run(tool("attw"), archive, "--profile", "esm-only", "--no-emoji").toString());
} finally {
  rmSync(archive);
}
