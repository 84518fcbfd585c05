/** Credits over REST, with everything that may be wrong about a request. */
import { describe, expect, test } from "vitest";
import { listLedger } from "../../core/credits/ledger";
import { extend, reserve, settle } from "../../core/credits/reservations";
import worker from "../../workers/index";
import { audit, DB, rate } from "./credits-world";
import { deleteApplication } from "./push-material";
import {
  adminHeaders,
  basic,
  bearer,
  bindings,
  newApplication,
  newInstance,
  request,
  signed,
  unique,
} from "./support";

async function newAccount() {
  const account = unique("paying");
  const app = await newApplication(account);
  return { account, app, path: `/v1/admin/accounts/${account}` };
}

const asAdmin = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  request(method, path, { body, headers: { ...adminHeaders(), ...headers } });

/** A call that was charged. */
async function charge(account: string, applicationKey: string, cost: number) {
  const call = { applicationKey, callId: crypto.randomUUID() };
  await reserve(DB, { ...call, accountId: account, rate, wanted: 410, least: 110, now: Date.now() });
  await settle(DB, { ...call, cost, now: Date.now() });
  return call;
}

test("an application sees all that moved the balance, but not which calls another one made", async () => {
  const { account, app, path } = await newAccount();
  const other = await newApplication(account);
  await asAdmin("POST", `${path}/top-ups`, { amount: 1_000, note: "=HYPERLINK(1)" });
  const [own, theirs] = [await charge(account, app.key, 110), await charge(account, other.key, 110)];
  for (const query of ["", "?format=csv"]) {
    const { text } = await request("GET", `/v1/credits/ledger${query}`, { headers: basic(app) });
    expect(text).toContain(own.callId);
    expect(text).not.toContain(theirs.callId);
    expect(text).not.toContain(other.key);
    expect((await asAdmin("GET", `${path}/ledger${query}`)).text).toContain(theirs.callId);
  }
  const { body } = await request("GET", "/v1/credits/ledger", { headers: basic(app) });
  expect(body.entries).toHaveLength(7);
  // A spreadsheet runs what begins like this.
  const csv = await request("GET", "/v1/credits/ledger?format=csv", { headers: basic(app) });
  expect(csv.text).toContain("'=HYPERLINK(1)");
});

describe("top-ups", () => {
  test("a key makes them safe to repeat, in the body or in the header", async () => {
    const { account, path } = await newAccount();
    const body = { amount: 5_000_000, key: "invoice-17", note: "paid" };
    const first = await asAdmin("POST", `${path}/top-ups`, body);
    expect(first).toMatchObject({
      status: 201,
      body: {
        ...{ seq: 1, kind: "topUp", amount: 5_000_000, balance: 5_000_000, key: "invoice-17", note: "paid" },
        currency: "USD",
      },
    });
    expect((await asAdmin("POST", `${path}/top-ups`, body)).body).toEqual(first.body);
    const header = { "idempotency-key": "invoice-17" };
    expect((await asAdmin("POST", `${path}/top-ups`, { amount: 5_000_000 }, header)).body).toEqual(
      first.body,
    );
    const other = await asAdmin("POST", `${path}/top-ups`, { amount: 1 }, header);
    expect(other).toMatchObject({ status: 409, body: { errorCode: 40900 } });
    // Without one each is another.
    for (let times = 0; times < 2; times++) await asAdmin("POST", `${path}/top-ups`, { amount: 1 });
    expect(await asAdmin("GET", `${path}/credits`)).toMatchObject({
      body: { balance: 5_000_002, currency: "USD", showBalance: false },
    });
    expect((await audit(account)).entries).toHaveLength(3);
  });

  test.each([
    [undefined, "amount: "],
    [0, "amount: "],
    [-5, "amount: "],
    [0.5, "amount: "],
    ["5", "amount: "],
    [null, "amount: "],
    [1_000_000_000_000_001, "amount: "],
    [2 ** 53, "amount: "],
    [1e300, "amount: "],
    [true, "amount: "],
  ])("of %s are refused", async (amount, detail) => {
    const { path } = await newAccount();
    const { status, body } = await asAdmin("POST", `${path}/top-ups`, { amount });
    expect([status, body.errorCode]).toEqual([400, 40001]);
    expect(body.detail).toContain(detail);
    expect((await asAdmin("GET", `${path}/credits`)).body.balance).toBe(0);
  });

  test.each([
    [{ key: "" }, "key: has to have 1 to 128 characters"],
    [{ key: 5 }, "key: "],
    [{ key: "k".repeat(129) }, "key: "],
    [{ note: "n".repeat(201) }, "note: "],
    [{ note: 5 }, "note: "],
  ])("with %j are refused", async (more, detail) => {
    const { path } = await newAccount();
    const { status, body } = await asAdmin("POST", `${path}/top-ups`, { amount: 5, ...more });
    expect([status, body.errorCode]).toEqual([400, 40001]);
    expect(body.detail).toContain(detail);
  });

  test("with a bad header, a body that is none, or for nobody are refused", async () => {
    const { path } = await newAccount();
    const long = { "idempotency-key": "k".repeat(129) };
    expect(await asAdmin("POST", `${path}/top-ups`, { amount: 5 }, long)).toMatchObject({
      status: 400,
      body: { detail: "idempotency-key: has to have 1 to 128 characters" },
    });
    expect((await asAdmin("POST", `${path}/top-ups`, "[")).status).toBe(400);
    expect((await asAdmin("POST", `${path}/top-ups`, [])).status).toBe(400);
    for (const [method, rest] of [
      ["POST", "top-ups"],
      ["GET", "credits"],
      ["GET", "ledger"],
    ] as const) {
      const body = method === "POST" ? { amount: 5 } : undefined;
      const answer = await asAdmin(method, `/v1/admin/accounts/nobody%27--/${rest}`, body);
      expect(answer).toMatchObject({ status: 404, body: { detail: "There is no such account." } });
    }
  });

  test("above what a balance may be are refused", async () => {
    const { path } = await newAccount();
    expect((await asAdmin("POST", `${path}/top-ups`, { amount: 1e15 })).status).toBe(201);
    const { status, body } = await asAdmin("POST", `${path}/top-ups`, { amount: 1 });
    expect([status, body.errorCode]).toEqual([400, 40002]);
  });
});

describe("refunds", () => {
  test("are of what a call was charged", async () => {
    const { account, app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 1_000 });
    const call = await charge(account, app.key, 300);
    const part = await asAdmin(
      ...(["POST", `${path}/refunds`, { ...call, amount: 100, note: "noise" }] as const),
      { "idempotency-key": "one" },
    );
    expect(part).toMatchObject({
      status: 201,
      body: { kind: "refund", amount: 100, balance: 800, key: "one", note: "noise", ...call },
    });
    expect((await asAdmin("POST", `${path}/refunds`, { ...call, key: "one" })).body).toEqual(part.body);
    expect((await asAdmin("POST", `${path}/refunds`, { ...call, amount: 201 })).status).toBe(409);
    expect((await asAdmin("POST", `${path}/refunds`, call)).body.amount).toBe(200);
    expect((await asAdmin("POST", `${path}/refunds`, call)).status).toBe(409);
    expect((await audit(account)).balance).toBe(1_000);
  });

  test("are refused for the calls of others, and what is none", async () => {
    const [one, other] = [await newAccount(), await newAccount()];
    await asAdmin("POST", `${one.path}/top-ups`, { amount: 1_000 });
    const call = await charge(one.account, one.app.key, 300);
    expect((await asAdmin("POST", `${other.path}/refunds`, call)).status).toBe(404);
    for (const change of [
      ...[{ callId: "x" }, { applicationKey: "x" }, { amount: -1 }, { amount: 0 }, { amount: 0.1 }],
      ...[{ callId: undefined }, { applicationKey: 5 }, { amount: "1" }, { key: "" }],
    ]) {
      const answer = await asAdmin("POST", `${one.path}/refunds`, { ...call, ...change });
      expect([answer.status, change]).toEqual([400, change]);
    }
    expect((await audit(one.account)).balance).toBe(700);
  });
});

describe("the ledger", () => {
  test("is listed newest first, page by page, to the account's applications", async () => {
    const { account, app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 1_000, key: "k" });
    const call = await charge(account, app.key, 300);
    const read = async (query: string, from = "/v1/credits/ledger") => {
      const { body } = await request("GET", `${from}?${query}`, { headers: basic(app) });
      return body;
    };
    const all = await read("");
    expect(all.currency).toBe("USD");
    expect(all.cursor).toBeUndefined();
    expect(all.entries).toMatchObject([
      { seq: 4, kind: "charge", amount: -300, balance: 700, ...call },
      { seq: 3, kind: "release", amount: 410, balance: 1_000, ...call },
      { seq: 2, kind: "reserve", amount: -410, balance: 590, ...call },
      { seq: 1, kind: "topUp", amount: 1_000, balance: 1_000, key: "k" },
    ]);
    const first = await read("limit=3");
    expect(first.entries).toEqual(all.entries.slice(0, 3));
    expect(await read(`limit=3&cursor=${first.cursor}`)).toEqual({
      currency: "USD",
      entries: all.entries.slice(3),
    });
    expect((await asAdmin("GET", `${path}/ledger?limit=3`)).body).toEqual(first);
    const headers = await signed(app, "GET", "/v1/credits/ledger");
    expect((await request("GET", "/v1/credits/ledger", { headers })).body).toEqual(all);
    const stranger = await newAccount();
    const theirs = await request("GET", "/v1/credits/ledger", { headers: basic(stranger.app) });
    expect(theirs.body).toEqual({ currency: "USD", entries: [] });
  });

  test("goes back to a time", async () => {
    const { account, app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 1 });
    await DB.prepare("UPDATE ledger SET time = 1000 WHERE account_id = ?").bind(account).run();
    await asAdmin("POST", `${path}/top-ups`, { amount: 2 });
    const seqs = async (since: string) => {
      const { body } = await request("GET", `/v1/credits/ledger?since=${since}&limit=2`, {
        headers: basic(app),
      });
      return [body.entries.map(({ seq }: { seq: number }) => seq), body.cursor];
    };
    expect(await seqs("1000")).toEqual([[2, 1], "1"]);
    expect(await seqs("1001")).toEqual([[2], undefined]);
    expect(await seqs("2100-01-01")).toEqual([[], undefined]);
  });

  test("as CSV is all of it, with amounts in units of the currency", async () => {
    const { account, app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 12_340_000, note: 'for "you", me', key: "k" });
    const call = await charge(account, app.key, 300);
    await DB.prepare("UPDATE ledger SET time = seq * 1000 WHERE account_id = ?").bind(account).run();
    const byFormat = await request("GET", "/v1/credits/ledger?format=csv", { headers: basic(app) });
    expect(byFormat.headers.get("content-type")).toMatch(/^text\/csv/);
    expect(byFormat.text.split("\r\n")).toEqual([
      "seq,time,kind,amount,balance,key,applicationKey,callId,note",
      `4,1970-01-01T00:00:04.000Z,charge,-0.0003,12.3397,,${call.applicationKey},${call.callId},`,
      `3,1970-01-01T00:00:03.000Z,release,0.00041,12.34,,${call.applicationKey},${call.callId},`,
      `2,1970-01-01T00:00:02.000Z,reserve,-0.00041,12.33959,,${call.applicationKey},${call.callId},`,
      '1,1970-01-01T00:00:01.000Z,topUp,12.34,12.34,k,,,"for ""you"", me"',
      "",
    ]);
    const accepting = { ...basic(app), accept: "text/csv" };
    const byAccept = await request("GET", "/v1/credits/ledger", { headers: accepting });
    expect(byAccept.text).toBe(byFormat.text);
    const json = await request("GET", "/v1/credits/ledger?format=json", { headers: accepting });
    expect(json.body.entries).toHaveLength(4);
    const later = await asAdmin("GET", `${path}/ledger?format=csv&since=3000&cursor=4`);
    expect(later.text.split("\r\n")).toHaveLength(3);
  });

  test("as CSV is read to its end, however long it is", async () => {
    const { account, path } = await newAccount();
    await DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
       INSERT INTO ledger SELECT ?, i, i, 'topUp', 1, i, 'topUp:' || i, NULL, NULL, NULL FROM n`,
    )
      .bind(account)
      .run();
    const { text } = await asAdmin("GET", `${path}/ledger?format=csv`);
    const seqs = text
      .split("\r\n")
      .slice(1, -1)
      .map((line) => Number(line.split(",")[0]));
    expect(seqs).toEqual(Array.from({ length: 2_500 }, (_, at) => 2_500 - at));
    expect(await listLedger(DB, account, { limit: 1 })).toMatchObject([{ seq: 2_500 }]);
    await audit(account);
  });

  test.each(["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=-1", "since=soon", "format=xml"])(
    "?%s is refused",
    async (query) => {
      const { app } = await newAccount();
      const { status, body } = await request("GET", `/v1/credits/ledger?${query}`, { headers: basic(app) });
      expect([status, body.errorCode]).toEqual([400, 40001]);
    },
  );
});

describe("a user", () => {
  test("may read the balance where the account shows it, and never the ledger", async () => {
    const { app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 1_000 });
    const headers = bearer((await newInstance(app, "alice")).token);
    const read = (what = "") => request("GET", `/v1/credits${what}`, { headers });
    expect(await read()).toMatchObject({
      status: 403,
      body: { errorCode: 40300, detail: expect.stringContaining("account show-balance") },
    });
    expect((await asAdmin("PATCH", path, { showBalance: true })).status).toBe(204);
    expect(await read()).toMatchObject({ status: 200, body: { balance: 1_000, currency: "USD" } });
    expect(await read("/ledger")).toMatchObject({ status: 401, body: { errorCode: 40108 } });
    // What the account allows beside stays.
    await asAdmin("PATCH", path, { allowCrossApplication: true });
    expect((await asAdmin("GET", `${path}/credits`)).body.showBalance).toBe(true);
    await asAdmin("PATCH", path, { showBalance: false });
    expect((await read()).status).toBe(403);
  });

  test("is held off by nobody's asking for the balance", async () => {
    const { app } = await newAccount();
    const { token } = await newInstance(app, "alice");
    const limited = { ...bindings, RATE_LIMIT: { limit: async () => ({ success: false }) } };
    const ask = () =>
      worker.fetch(
        new Request("https://carillon.test/v1/credits", {
          headers: { ...bearer(token), "cf-connecting-ip": "192.0.2.77" },
        }),
        limited as typeof bindings,
        {} as ExecutionContext,
      );
    for (let times = 0; times < 3; times++) expect((await ask()).status).toBe(403);
  });
});

describe("an account", () => {
  test.each([{}, { showBalance: "on" }, { allowCrossApplication: 1 }, { showbalance: true }, []])(
    "is not changed by %j",
    async (body) => {
      const { path } = await newAccount();
      expect((await asAdmin("PATCH", path, body)).status).toBe(400);
    },
  );

  test("that is not there is not changed", async () => {
    expect((await asAdmin("PATCH", "/v1/admin/accounts/nobody", { showBalance: true })).status).toBe(404);
  });

  test("keeps its books when an application is deleted, whose calls are settled still", async () => {
    const { account, app, path } = await newAccount();
    await asAdmin("POST", `${path}/top-ups`, { amount: 1_000 });
    const call = { applicationKey: app.key, callId: crypto.randomUUID() };
    const lost = { applicationKey: app.key, callId: crypto.randomUUID() };
    for (const [which, now] of [
      [call, Date.now()],
      [lost, 0],
    ] as const)
      await reserve(DB, { ...which, accountId: account, rate, wanted: 110, least: 110, now });
    await deleteApplication(app);
    for (let runs = 0; runs < 2; runs++) await worker.scheduled({} as ScheduledController, bindings);
    expect((await audit(account)).open).toMatchObject([call]);
    expect(await extend(DB, { ...call, slice: 2, wanted: 100, now: 1 })).toMatchObject({ ok: true });
    await settle(DB, { ...call, cost: 210, now: 1 });
    expect(await audit(account)).toMatchObject({ open: [], balance: 790 });
    expect((await asAdmin("POST", `${path}/refunds`, call)).body.balance).toBe(1_000);
  });
});
