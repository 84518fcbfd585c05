import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { errorBody, errorTable, statusOf } from "./errors";

describe("the table of errors", () => {
  const entries = Object.entries(errorTable);

  it("has one code for each, and says what to do", () => {
    expect(new Set(entries.map(([, { code }]) => code)).size).toBe(entries.length);
    for (const [, { message, hint }] of entries) expect(`${message} ${hint}`).toMatch(/^\S.*\. \S.*[.”]$/);
  });

  it("gives an HTTP status to every error that a server sends, and 500 to the others", () => {
    expect(statusOf(errorBody("replayed"))).toBe(401);
    expect(statusOf(errorBody("rateLimited"))).toBe(429);
    expect(statusOf(errorBody("permissionDenied"))).toBe(500);
  });

  it("is what docs/errors.md shows", () => {
    const rows = readFileSync("docs/errors.md", "utf8").split("\n");
    for (const [name, { code }] of entries) {
      const shown = rows.filter((row) => row.includes(`| ${code} `) && row.includes(name));
      expect(shown, `${code} ${name}`).toHaveLength(1);
    }
  });
});
