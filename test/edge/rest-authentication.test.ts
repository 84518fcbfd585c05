import { describe, expect, test } from "vitest";
import { authenticateRequest, requestSignature, stringToSign } from "../../core/authentication/rest";
import vectors from "../vectors/authentication.json";
import { adminHeaders, basic, bindings, isErrorBody, newApplication, request, signed } from "./support";

const vector = vectors.signedRequest;
const body = new TextEncoder().encode(vector.body) as Uint8Array<ArrayBuffer>;
const vectorRequest = {
  method: vector.method,
  url: new URL(`https://carillon.test${vector.path}`),
  headers: new Headers({
    "content-type": vector.contentType,
    "x-timestamp": vector.timestamp,
    authorization: `application ${vector.applicationKey}:${vector.signature}`,
  }),
  body,
};
const application = {
  key: vector.applicationKey.toLowerCase(),
  secrets: [{ secret: vector.applicationSecret }],
};
const means = {
  now: Date.parse(vector.timestamp) + 299_000,
  find: async (key: string) => (key === application.key ? application : undefined),
  useSignature: async () => true,
};

describe("the vector of a signed request", () => {
  test("string to sign and signature", async () => {
    const text = await stringToSign(vectorRequest, vector.timestamp);
    expect(text.split("\n")[1]).toBe(vector.contentMd5);
    expect(await requestSignature(text, vector.applicationSecret)).toBe(vector.signature);
  });

  test("is accepted within 5 minutes, with the key in capitals and the scheme in any case", async () => {
    expect(await authenticateRequest(vectorRequest, means)).toEqual({ ok: true, value: application });
    const later = { ...means, now: means.now + 1_001 };
    expect(await authenticateRequest(vectorRequest, later)).toMatchObject({ error: { errorCode: 40101 } });
    const early = { ...means, now: Date.parse(vector.timestamp) - 300_001 };
    expect(await authenticateRequest(vectorRequest, early)).toMatchObject({ error: { errorCode: 40101 } });
  });

  test.each([
    ["method", { method: "PUT" }],
    ["path", { url: new URL("https://carillon.test/v1/sms/+46700000001") }],
    ["body", { body: body.slice(1) }],
  ])("another %s does not fit", async (_, change) => {
    const result = await authenticateRequest({ ...vectorRequest, ...change }, means);
    expect(result).toMatchObject({ error: { errorCode: 40102 } });
  });
});

test("a write is accepted once, a read again and again", async () => {
  const app = await newApplication();
  const path = "/v1/users/alice/instances";
  const write = await signed(app, "DELETE", path);
  expect((await request("DELETE", path, { headers: write })).status).toBe(200);
  expect((await request("DELETE", path, { headers: write })).body.errorCode).toBe(40103);
  const read = await signed(app, "GET", path);
  expect((await request("GET", path, { headers: read })).status).toBe(200);
  expect((await request("GET", path, { headers: read })).status).toBe(200);
});

test("the query is not signed", async () => {
  const app = await newApplication();
  const headers = await signed(app, "GET", "/v1/users");
  expect((await request("GET", "/v1/users?limit=1", { headers })).status).toBe(200);
});

test.each([
  [{}, 40100],
  [{ authorization: "Basic" }, 40100],
  [{ authorization: "Basic !!!" }, 40100],
  [{ authorization: "Digest x" }, 40108],
  [{ authorization: "Application x" }, 40100],
  [{ authorization: "Application :" }, 40100],
])("credentials %j: %i", async (headers, code) => {
  const answer = await request("GET", "/v1/users", { headers });
  expect(answer.status).toBe(401);
  expect(answer.body.errorCode).toBe(code);
  expect(isErrorBody(answer.body)).toBe(true);
});

test.each([["yesterday"], [""], ["1700000000000"], ["2026-11-21"], ["2014-06-04T13:41:58Z"]])(
  "the timestamp %j: 40101",
  async (timestamp) => {
    const app = await newApplication();
    const headers = await signed(app, "GET", "/v1/users", undefined, timestamp);
    expect((await request("GET", "/v1/users", { headers })).body.errorCode).toBe(40101);
  },
);

test("Basic wants TLS, or this machine", async () => {
  const app = await newApplication();
  const get = (url: string) => request("GET", `${url}/v1/users`, { headers: basic(app) });
  expect((await get("http://carillon.test")).body.errorCode).toBe(40108);
  expect((await get("http://127.0.0.1:8787")).status).toBe(200);
  expect((await get("http://localhost:8787")).status).toBe(200);
  expect((await get("https://carillon.test")).status).toBe(200);
  const wrong = { ...app, secret: "AAAAAAAAAAAAAAAAAAAAAA==" };
  expect((await request("GET", "/v1/users", { headers: basic(wrong) })).body.errorCode).toBe(40102);
});

test("secrets are not in the database in the clear", async () => {
  const app = await newApplication();
  const { results } = await bindings.DB.prepare("SELECT * FROM application_secrets").all();
  expect(results.length).toBeGreaterThan(0);
  expect(JSON.stringify(results)).not.toContain(app.secret);
  const list = await request("GET", "/v1/admin/applications?limit=200", { headers: adminHeaders() });
  expect(list.text).not.toContain(app.secret);
});
