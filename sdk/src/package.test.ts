import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { bundle, moduleOf } from "../bundle.mjs";

const entry = new URL("./index.ts", import.meta.url).pathname;
const options = { bundle: true, format: "esm", platform: "neutral", target: "es2022", write: false } as const;

test.each([
  // All that a page loads at first: what it imports beside that is loaded on demand.
  ["index", 20],
  ["conference", 10],
  ["conference-phones", 2],
  ["service-worker", 2.75],
  ["web-push", 2.5],
  ["credits", 0.5],
])("%s is at most %f KB, minified and gzipped", async (name, most) => {
  const modules = await bundle({ minify: true, write: false });
  const module = modules.find((one) => moduleOf(one) === name);
  const text = new TextDecoder().decode(module?.contents);
  const kilobytes = gzipSync(text, { level: 9 }).length / 1024;
  console.info(`${name}: ${kilobytes.toFixed(2)} KB`);
  expect(kilobytes).toBeLessThan(most);
  expect(kilobytes).toBeGreaterThan(0.1);
  // Nothing else is loaded with it.
  const imports = [...text.matchAll(/\bfrom"(.*?)"/g)].map(([, from]) => from);
  expect(imports.filter((from) => from !== "./index.js")).toEqual([]);
});

test("what is not used is not bundled", async () => {
  const contents = `export { checkEnvironment } from ${JSON.stringify(entry)};`;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir: "." }, minify: true });
  expect(outputFiles[0]?.contents.length).toBeLessThan(4_000);
});

test("it can be imported, and a client made, where there is no page, no storage and no WebRTC; all its modules fit", async () => {
  const folder = mkdtempSync(join(tmpdir(), "carillon-sdk-"));
  writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
  await bundle({ outdir: folder });
  const modules = readdirSync(folder).filter((name) => name.endsWith(".js"));
  expect(modules.length).toBeGreaterThan(5);
  const script = `
    for (const name of ["navigator", "WebSocket", "fetch", "crypto", "localStorage"]) delete globalThis[name];
    const { CarillonClient, checkEnvironment } = await import("./index.js");
    new CarillonClient({ applicationKey: "196087a1-e815-4bc4-8984-60d8d8a43f1d", userId: "a", environmentHost: "h" });
    for (const name of ${JSON.stringify(modules)}) await import("./" + name);
    console.log((await checkEnvironment({ push: true })).map(({ check }) => check).join());`;
  writeFileSync(join(folder, "main.js"), script);
  const output = execFileSync(process.execPath, [join(folder, "main.js")], { encoding: "utf8" });
  expect(output.trim()).toBe("webSocket,webrtc,storage,notifications,serviceWorker");
});
