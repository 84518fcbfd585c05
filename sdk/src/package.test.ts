import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

const fileOf = (entry: string) => new URL(`./${entry}.ts`, import.meta.url).pathname;
const entry = fileOf("index");
const options = { bundle: true, format: "esm", platform: "neutral", target: "es2022", write: false } as const;

test("everything is at most 20 KB, minified and gzipped", async () => {
  const { outputFiles } = await build({ ...options, entryPoints: [entry], minify: true });
  const kilobytes = gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length / 1024;
  console.info(`@carillon/sdk: ${kilobytes.toFixed(1)} KB`);
  expect(kilobytes).toBeLessThan(20);
});

test.each([
  ["service-worker", 2.75],
  ["web-push", 2.5],
  ["credits", 0.5],
])("@carillon/sdk/%s is a small file of its own: %f KB at most", async (name, most) => {
  const { outputFiles } = await build({ ...options, entryPoints: [fileOf(name)], minify: true });
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length / 1024).toBeLessThan(most);
});

test("what is not used is not bundled", async () => {
  const contents = `export { checkEnvironment } from ${JSON.stringify(entry)};`;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir: "." }, minify: true });
  expect(outputFiles[0]?.contents.length).toBeLessThan(4_000);
});

test("it can be imported, and a client made, where there is no page, no storage and no WebRTC", async () => {
  const { outputFiles } = await build({ ...options, entryPoints: [entry] });
  const file = join(mkdtempSync(join(tmpdir(), "carillon-sdk-")), "index.mjs");
  const script = `
    for (const name of ["navigator", "WebSocket", "fetch", "crypto", "localStorage"]) delete globalThis[name];
    const { CarillonClient, checkEnvironment } = await import(${JSON.stringify(file)});
    new CarillonClient({ applicationKey: "196087a1-e815-4bc4-8984-60d8d8a43f1d", userId: "a", environmentHost: "h" });
    console.log((await checkEnvironment({ push: true })).map(({ check }) => check).join());`;
  writeFileSync(file, outputFiles[0]?.contents ?? "");
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(output.trim()).toBe("webSocket,webrtc,storage,notifications,serviceWorker");
});
