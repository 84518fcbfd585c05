/** The rate card, as it is imported, given back and looked up. */
import { describe, expect, test } from "vitest";
import { findRate, replaceRates } from "../../core/credits/rates";
import { serverLimits } from "../../protocol";
import { DB } from "./credits-world";
import { adminHeaders, basic, bearer, fetchWorker, newApplication, newInstance, request } from "./support";

const header = "prefix,name,perMinute,connectFee,increment";
const put = (text: string, headers = adminHeaders()) =>
  request("PUT", "/v1/admin/rates", { body: text, headers: { "content-type": "text/csv", ...headers } });
const card = (...lines: string[]) => [header, ...lines, ""].join("\r\n");
const shown = async () => (await request("GET", "/v1/admin/rates", { headers: adminHeaders() })).text;

describe("a rate card", () => {
  test("takes the place of the one before, and writes what is another line only", async () => {
    const lines = ["1,North America,0.01,0,60", "46,Sweden,0.015,0.05,60", "467,Sweden mobile,0.1,0,1"];
    expect((await put(card())).status).toBe(400);
    expect(await put(card(...lines))).toMatchObject({ status: 200, body: { lines: 3, changed: 3 } });
    expect(await shown()).toBe(card(...lines));
    expect((await put(card(...lines))).body).toEqual({ lines: 3, changed: 0 });
    const changed = ["46,Sweden,0.016,0.05,60", "467,Sweden mobile,0.1,0,1", '47,"Norway, all",1,0,30'];
    // One goes, one changes, one comes.
    expect((await put(card(...changed))).body).toEqual({ lines: 3, changed: 3 });
    expect(await shown()).toBe(card(...changed));
    const reversed = [...changed].reverse().map((line) => `+${line}`);
    expect((await put(`\ufeff${card(...reversed)}`)).body).toEqual({ lines: 3, changed: 0 });
  });

  test("with a mistake changes nothing, and says in which lines they are", async () => {
    await put(card("46,Sweden,0.015,0.05,60"));
    const before = await shown();
    const { status, body } = await put(
      card("47,Norway,0.1,0,60", "48,Poland,0,1,0,60", "49,Germany,-1,0,60"),
    );
    expect([status, body.errorCode]).toEqual([400, 40001]);
    expect(body.detail.split("\n")).toEqual([
      "2 lines are wrong; nothing was imported.",
      "line 3: has 6 fields and not 5",
      expect.stringMatching(/^line 4: perMinute: has to be an amount like 0\.015/),
    ]);
    expect(await shown()).toBe(before);
  });

  test("that fails half-way changes nothing", async () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 1, connectFee: 0, increment: 60 };
    await replaceRates(DB, [rate, { ...rate, prefix: "47" }]);
    const before = await shown();
    const broken = { ...rate, prefix: "48", increment: null as unknown as number };
    await expect(replaceRates(DB, [{ ...rate, perMinute: 2 }, broken])).rejects.toThrow();
    expect(await shown()).toBe(before);
  });

  test("of many chunks is one", async () => {
    const name = "å".repeat(100);
    const many = (first: number, perMinute: number) =>
      Array.from({ length: 20_000 }, (_, at) => {
        return { prefix: String(first + at), name, perMinute, connectFee: 0, increment: 60 };
      });
    await replaceRates(DB, many(10_000, 1));
    const halves = [...many(20_000, 1).slice(0, 10_000), ...many(30_000, 2)];
    // 10,000 at either end come and go.
    expect(await replaceRates(DB, halves)).toBe(30_000);
    const { results } = await DB.prepare(
      "SELECT per_minute AS perMinute, count(*) AS count, min(prefix) AS first FROM rates GROUP BY per_minute",
    ).all();
    expect(results).toEqual([
      { perMinute: 1, count: 10_000, first: "20000" },
      { perMinute: 2, count: 20_000, first: "30000" },
    ]);
    expect((await shown()).split("\r\n")).toHaveLength(30_002);
  });

  test("may have more bytes than other bodies, of the administrator", async () => {
    const line = (at: number) => `${at},${"x".repeat(80)},0,0,1`;
    const large = card(...Array.from({ length: 2_000 }, (_, at) => line(at + 1)));
    expect(large.length).toBeGreaterThan(serverLimits.bodyBytes);
    expect((await put(large)).status).toBe(200);
    const tooLarge = await put("x".repeat(serverLimits.rateCardBytes + 1));
    expect(tooLarge).toMatchObject({ status: 400, body: { errorCode: 40003 } });
    // Of nobody else the body is read at all.
    const unread = await put("x".repeat(serverLimits.rateCardBytes + 1), { authorization: "Bearer x" });
    expect(unread).toMatchObject({ status: 401 });
    const elsewhere = await request("POST", "/v1/admin/accounts/a/top-ups", {
      body: large,
      headers: adminHeaders(),
    });
    expect(elsewhere.body.errorCode).toBe(40003);
  });

  test("that is no text is refused", async () => {
    const body = new Uint8Array([0xff, 0xfe, 0x41]);
    const answer = await fetchWorker("/v1/admin/rates", { method: "PUT", body, headers: adminHeaders() });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ detail: "The body is not UTF-8." });
  });
});

describe("the rate of a number", () => {
  test("is that of the longest prefix", async () => {
    await put(
      card("1,NANP,0.01,0,60", "46,Sweden,0.02,0,60", "467,Mobile,0.03,0,60", "46701234567,One,9,0,1"),
    );
    const names = ["+46701234567", "+46701234568", "+46812345", "+14155550101", "+46", "+4", "+33123"];
    const found = await Promise.all(names.map((number) => findRate(DB, number)));
    expect(found.map((rate) => rate?.name)).toEqual([
      ...["One", "Mobile", "Sweden", "NANP", "Sweden", undefined, undefined],
    ]);
    expect(found[1]).toEqual({
      ...{ prefix: "467", name: "Mobile", perMinute: 30_000, connectFee: 0, increment: 60 },
    });
  });

  test("is read with or without its plus", async () => {
    await put(card("46,Sweden,0.02,0,60"));
    const find = (number: string) => request("GET", `/v1/admin/rates/${number}`, { headers: adminHeaders() });
    for (const number of ["46701", "+46701", "%2B46701"]) {
      expect(await find(number)).toMatchObject({ status: 200, body: { name: "Sweden", currency: "USD" } });
    }
    expect(await find("33")).toMatchObject({ status: 404, body: { errorCode: 40400 } });
    for (const none of ["+", "46a", "1234567890123456", "%27"]) expect((await find(none)).status).toBe(400);
  });

  test("reads few rows, however long the card is", async () => {
    const { results } = await DB.prepare(
      `EXPLAIN QUERY PLAN SELECT * FROM rates WHERE prefix IN (SELECT value FROM json_each('["4"]'))`,
    ).all<{ detail: string }>();
    expect(results.map(({ detail }) => detail).join()).toContain("SEARCH rates USING PRIMARY KEY (prefix=?)");
  });
});

test("nobody but the administrator has to do with the rate card", async () => {
  const app = await newApplication();
  const { token } = await newInstance(app, "alice");
  for (const [method, path] of [
    ["PUT", "/v1/admin/rates"],
    ["GET", "/v1/admin/rates"],
    ["GET", "/v1/admin/rates/46"],
  ] as const) {
    for (const headers of [{}, basic(app), bearer(token)]) {
      expect((await request(method, path, { headers })).status).toBe(401);
    }
  }
});
