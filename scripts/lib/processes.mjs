// @ts-check
/** Child processes: run to the end, or kept on a leash so that none outlives its parent. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * @typedef {{ code: number, output: string, stdout: string }} Outcome
 * @typedef {{ cwd?: string, env?: Record<string, string | undefined>, input?: string }} RunOptions
 */

/**
 * Runs a program to its end and keeps what it wrote: both streams in `output`.
 *
 * @param {string[]} command program and arguments
 * @param {RunOptions} [options]
 * @returns {Promise<Outcome>} code 127 when it could not be started
 */
export function run([program = "", ...args], { cwd, env, input } = {}) {
  return new Promise((resolve) => {
    let output = "";
    let stdout = "";
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
    const take = (/** @type {Buffer} */ chunk) => {
      output += chunk;
    };
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      take(chunk);
    });
    child.stderr.on("data", take);
    child.on("error", (error) => resolve({ code: 127, output: `${output}${error.message}`, stdout }));
    child.on("close", (code) => resolve({ code: code ?? 1, output, stdout }));
    // A program that ends before it has read everything is no failure of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

const leash = fileURLToPath(new URL("./leash.mjs", import.meta.url));

/**
 * Starts a program that ends with this process, however that ends, `kill -9` included: `leash.mjs`
 * holds the program's process group and sees the pipe to this process break.
 *
 * @param {string[]} command program and arguments
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, onLine?: (line: string) => void }} [options]
 * @returns {{ exited: Promise<number>, stop: () => Promise<number> }}
 */
export function startLeashed(command, { cwd, env, onLine } = {}) {
  const child = spawn(process.execPath, [leash, ...command], {
    cwd,
    env: { ...process.env, ...env },
    stdio: "pipe",
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) eachLine(stream, onLine ?? (() => {}));
  child.stdin.on("error", () => {});
  /** @type {Promise<number>} */
  const exited = new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (code) => {
      // The leash may have been killed before what it holds.
      signalGroup(child.pid, "SIGKILL");
      resolve(code ?? 1);
    });
  });
  return {
    exited,
    stop() {
      child.stdin.end();
      return exited;
    },
  };
}

/** @param {number | undefined} pid @param {NodeJS.Signals} signal */
export function signalGroup(pid, signal) {
  try {
    if (pid) process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

/** @param {import("node:stream").Readable} stream @param {(line: string) => void} take */
function eachLine(stream, take) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
  stream.on("end", () => rest && take(rest));
}
