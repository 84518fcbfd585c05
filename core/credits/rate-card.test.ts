import { describe, expect, test } from "vitest";
import { parseRateCard } from "./rate-card";

const header = "prefix,name,perMinute,connectFee,increment";
const card = (...lines: string[]) => [header, ...lines, ""].join("\n");
const rates = (text: string) => {
  const read = parseRateCard(text);
  return read.ok ? read.value : read.error.detail;
};
const mistakes = (...lines: string[]) => String(rates(card(...lines))).split("\n");

describe("a rate card", () => {
  test("is read exactly", () => {
    const sweden = { prefix: "46", name: "Sweden", perMinute: 12_345, connectFee: 0, increment: 60 };
    const mobile = { prefix: "467", name: 'Sweden, "mobile"', perMinute: 1_100_000, connectFee: 1 };
    const lines = ["46,Sweden,0.012345,0,60", '+467,"Sweden, ""mobile""",1.1,0.000001,1'];
    const expected = [sweden, { ...mobile, increment: 1 }];
    expect(rates(card(...lines))).toEqual(expected);
    expect(rates([header, ...lines].join("\r\n"))).toEqual(expected);
  });

  test.each([
    ["prefix,name,perMinute,connectFee", "line 1: has to be prefix,name,perMinute,connectFee,increment"],
    ["46,Sweden,0.1,0,60", "line 1: has to be prefix,name,perMinute,connectFee,increment"],
    ["", "line 1: has to be prefix,name,perMinute,connectFee,increment"],
    [`${header}\n`, "There is no line below the first."],
  ])("needs its header and a line: %s", (text, detail) => {
    expect(rates(text)).toBe(detail);
  });

  test.each([
    ["", "has 1 fields and not 5"],
    ["46,Sweden,0.1,0", "has 4 fields and not 5"],
    ["46,Sweden,0,1,0,60", "has 6 fields and not 5"],
    ['46,"Sweden,0.1,0,60', "a quote is not closed, or not where it may be"],
    [",Sweden,0.1,0,60", "prefix"],
    ["0046,Sweden,0.1,0,60", "prefix"],
    ["++46,Sweden,0.1,0,60", "prefix"],
    ["46a,Sweden,0.1,0,60", "prefix"],
    [" 46,Sweden,0.1,0,60", "prefix"],
    ["1234567890123456,Sweden,0.1,0,60", "prefix"],
    ["46,,0.1,0,60", "name"],
    [`46,${"x".repeat(101)},0.1,0,60`, "name"],
    ["46,Sweden,-0.1,0,60", "perMinute"],
    ["46,Sweden,1e3,0,60", "perMinute"],
    ["46,Sweden,0.0000001,0,60", "perMinute"],
    ['46,Sweden,"0,1",0,60', "perMinute"],
    ["46,Sweden,1000000.1,0,60", "perMinute"],
    ["46,Sweden,,0,60", "perMinute"],
    ["46,Sweden,0.1,free,60", "connectFee"],
    ["46,Sweden,0.1,0,0", "increment"],
    ["46,Sweden,0.1,0,3601", "increment"],
    ["46,Sweden,0.1,0,1.5", "increment"],
    ["46,Sweden,0.1,0,", "increment"],
  ])("is told by the line: %s", (line, what) => {
    const [count, first, ...more] = mistakes("47,Norway,0.1,0,60", line, "48,Poland,0.1,0,60");
    expect(count).toBe("1 line is wrong; nothing was imported.");
    expect(first).toMatch(new RegExp(`^line 3: ${what}`));
    expect(more).toEqual([]);
  });

  test("has each prefix once", () => {
    expect(mistakes("46,Sweden,0.1,0,60", "47,Norway,0.1,0,60", "+46,Sverige,0.2,0,60")).toEqual([
      ...["1 line is wrong; nothing was imported.", "line 4: prefix 46 is in line 2 already"],
    ]);
  });

  test("with many mistakes names the first 100 of them", () => {
    const told = mistakes(...Array.from({ length: 250 }, () => "x"));
    expect(told[0]).toBe("250 lines are wrong, of which these are the first 100; nothing was imported.");
    expect(told).toHaveLength(101);
    expect(told.at(-1)).toMatch(/^line 101: /);
  });

  test("has an end", () => {
    const many = (count: number) => card(...Array.from({ length: count }, (_, at) => `${at + 1},x,0,0,1`));
    expect(rates(many(100_000))).toHaveLength(100_000);
    expect(parseRateCard(many(100_001))).toMatchObject({ error: { name: "tooLarge" } });
  });
});
