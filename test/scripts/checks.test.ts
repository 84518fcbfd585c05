import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countReport } from "../../scripts/lib/counts.mjs";
import { checkLayers } from "../../scripts/lib/layers.mjs";

describe("the count of a suite", () => {
  const file = (...statuses: string[]) => ({ assertionResults: statuses.map((status) => ({ status })) });

  it("adds the tests of its files", () => {
    const report = { testResults: [file("passed", "passed"), file("passed", "failed")] };
    expect(countReport(report, 1)).toMatchObject({ passed: 3, failed: 1 });
  });

  it("takes what did not run for failed", () => {
    const skipped = { testResults: [file("passed", "skipped", "todo", "pending")] };
    expect(countReport(skipped, 0)).toMatchObject({ passed: 1, failed: 3 });
    expect(countReport({ testResults: [] }, 0)).toMatchObject({ passed: 0, failed: 1 });
    expect(countReport(undefined, 1)).toMatchObject({ passed: 0, failed: 1 });
    const unloaded = { testResults: [file("passed"), { status: "failed", assertionResults: [] }] };
    expect(countReport(unloaded, 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it("takes an error outside of the tests for one that failed", () => {
    expect(countReport({ testResults: [file("passed")] }, 1)).toMatchObject({ passed: 1, failed: 1 });
  });
});

describe("the layers", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "carillon-layers-"));
  });

  afterEach(() => rmSync(root, { recursive: true }));

  function check(files: Record<string, string>): string[] {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return checkLayers(root).problems;
  }

  it("let imports go down", () => {
    const problems = check({
      "protocol/index.ts": "export const one = 1;",
      "core/a.ts": 'import {\n  one,\n} from "../protocol";\nimport { z } from "zod";',
      "workers/b.tsx": 'import "../core/a";\nexport { one } from "../protocol";',
      "core/a.test.ts": 'import { it } from "vitest";\nimport "../workers/b";',
    });
    expect(problems).toEqual([]);
  });

  it("stop imports that go up or aside, of types and dynamic ones as well", () => {
    const problems = check({
      "workers/w.ts": "export type W = 1;",
      "core/a.ts": 'import type { W } from "../workers/w";',
      "core/b.ts": 'const w = await import("../workers/w");',
      "core/c.ts": 'export * from "./nowhere";\nimport { Hono } from "hono";',
      "sdk/src/d.ts": 'import { z } from "zod";\nimport "../../core/a";',
    });
    expect(problems).toEqual([
      "core/a.ts may not import workers/w.ts",
      "core/b.ts may not import workers/w.ts",
      "core/c.ts may not import the package hono",
      "core/c.ts: ./nowhere leads nowhere",
      "sdk/src/d.ts may not import the package zod",
      "sdk/src/d.ts may not import core/a.ts",
    ]);
  });

  it("stop circles, but not those of types", () => {
    expect(
      check({
        "core/a.ts": 'import { b } from "./b";',
        "core/b.ts": 'import { type C, c } from "./c";',
        "core/c.ts": 'import { a } from "./a";',
        "core/d.ts": 'import type { E } from "./e";\nimport { type E2 } from "./e";',
        "core/e.ts": 'import { d } from "./d";',
      }),
    ).toEqual(["circle: core/a.ts → core/b.ts → core/c.ts → core/a.ts"]);
  });
});
