import { expect, test } from "vitest";
import { archiveFor } from "./database";

const d1 = (name: string) => ({ name }) as unknown as D1Database;
const keys = Array.from({ length: 300 }, (_, n) => `196087a1-e815-4bc4-8984-${String(n).padStart(12, "0")}`);

test("one database holds everything", () => {
  const DB = d1("DB");
  expect(keys.every((key) => archiveFor({ DB }, key) === DB)).toBe(true);
});

test("several databases share the applications, each always in the same one", () => {
  const bindings = { DB: d1("DB"), DB_1: d1("DB_1"), DB_2: d1("DB_2") };
  const counts = new Map<D1Database, number>();
  for (const key of keys) {
    const chosen = archiveFor(bindings, key);
    expect(archiveFor({ ...bindings }, key)).toBe(chosen);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  expect([...counts.values()].every((count) => count > 50)).toBe(true);
  expect(counts.size).toBe(3);
});
