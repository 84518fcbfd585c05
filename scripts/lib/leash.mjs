// @ts-check
/**
 * `node leash.mjs program …`: runs the program until it ends or the pipe on stdin closes, which is
 * also what the parent's sudden death does. Then the whole process group goes.
 */
import { spawn } from "node:child_process";

const [program = "", ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });

let ending = false;
function end() {
  if (ending) return;
  ending = true;
  child.kill("SIGTERM");
  setTimeout(() => process.kill(-process.pid, "SIGKILL"), 3_000).unref();
}

process.stdin.resume();
process.stdin.on("end", end).on("close", end).on("error", end);
// The parent decides when: a Ctrl-C in the terminal reaches it, and it closes the pipe.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, end);
// The parent's end of these may be gone.
process.stdout.on("error", () => {});

child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
child.on("exit", (code) => process.exit(code ?? 1));
