import { CompactSign } from "jose";
import { describe, expect, test } from "vitest";
import { toBase64, utf8 } from "./bytes";
import { issueRegistrationToken, registrationTokenKey, verifyRegistrationToken } from "./registration-token";

const user = { applicationKey: "196087a1-e815-4bc4-8984-60d8d8a43f1d", userId: "alice" };
const secret = "oYdgGRXoxEuJhGDY2KQ/HQ==";
const iss = `//rtc.sinch.com/applications/${user.applicationKey}`;
const iat = Date.UTC(2026, 10, 20, 12) / 1_000;
const now = iat * 1_000;
const good = { iss, sub: `${iss}/users/alice`, iat, exp: iat + 600, nonce: "n1" };
const day = 86_400;

async function sign(claims: unknown, header: object = {}, key = secret, date = "20261120"): Promise<string> {
  return new CompactSign(utf8(typeof claims === "string" ? claims : JSON.stringify(claims)))
    .setProtectedHeader({ alg: "HS256", kid: "hkdfv1-20261120", ...header })
    .sign(await registrationTokenKey(key, date));
}

const verify = (token: string, at = now, secrets = [secret]) =>
  verifyRegistrationToken(token, user, secrets, at);

test("the vector of the derived key", async () => {
  const key = await registrationTokenKey("ax8hTTQJF0OPXL32r1LHMA==", "20180102");
  expect(toBase64(key)).toBe("AZj5EsS8S7wb06xr5jERqPHsraQt3w/+Ih5EfrhisBQ=");
});

test("what is issued is accepted", async () => {
  const token = await issueRegistrationToken(user, secret, { now, ttlSeconds: 60, nonce: "n1" });
  expect(await verify(token)).toEqual({ ok: true, value: { nonce: "n1", expires: now + 60_000 } });
});

test("either of two valid secrets will do", async () => {
  expect(await verify(await sign(good), now, ["AAAAAAAAAAAAAAAAAAAAAA==", secret])).toMatchObject({
    ok: true,
  });
});

test("the instance's own expiry comes along", async () => {
  const token = await sign({ ...good, "sinch:rtc:instance:exp": iat + 2 * day });
  expect(await verify(token)).toMatchObject({ value: { instanceExpires: (iat + 2 * day) * 1_000 } });
});

test.each([["20261119"], ["20261121"]])("a kid of %s, a day off, is accepted", async (date) => {
  expect(await verify(await sign(good, { kid: `hkdfv1-${date}` }, secret, date))).toMatchObject({ ok: true });
});

test("a clock that is a minute ahead is forgiven", async () => {
  const token = await sign(good);
  expect(await verify(token, now - 60_000)).toMatchObject({ ok: true });
  expect(await verify(token, now - 61_000)).toMatchObject({ error: { errorCode: 40104 } });
});

test("it is good until exp", async () => {
  const token = await sign(good);
  expect(await verify(token, now + 599_999)).toMatchObject({ ok: true });
  expect(await verify(token, now + 600_000)).toMatchObject({ error: { errorCode: 40104 } });
});

describe("refused", () => {
  const nonce = (value: unknown) => ({ ...good, nonce: value });
  test.each<[string, unknown, number]>([
    ["no nonce", { ...good, nonce: undefined }, 40001],
    ["an empty nonce", nonce(""), 40001],
    ["a nonce of 65", nonce("x".repeat(65)), 40001],
    ["a nonce that is a number", nonce(1), 40001],
    ["no iat", { ...good, iat: undefined }, 40001],
    ["an iat that is a text", { ...good, iat: String(iat) }, 40001],
    ["an iat beyond all dates", { ...good, iat: 1e300, exp: 1e301 }, 40001],
    ["exp 59 seconds after iat", { ...good, exp: iat + 59 }, 40001],
    ["an instance expiry before 48 hours", { ...good, "sinch:rtc:instance:exp": iat + 2 * day - 1 }, 40001],
    ["iat two days from the kid", { ...good, iat: iat - 2 * day }, 40001],
    ["another application", { ...good, iss: iss.replace("1", "2") }, 40102],
    ["another user", { ...good, sub: `${iss}/users/bob` }, 40102],
    ["claims that are no object", "[]", 40001],
    ["claims that are null", "null", 40001],
    ["claims that are no JSON", "hello", 40001],
  ])("%s", async (_, claims, code) => {
    expect(await verify(await sign(claims))).toMatchObject({ ok: false, error: { errorCode: code } });
  });

  test.each([[""], ["x"], ["a.b.c"], ["...."], ["eyJhbGciOiJIUzI1NiJ9.e30.x"]])("%j", async (token) => {
    expect(await verify(token)).toMatchObject({ error: { errorCode: 40001 } });
  });

  test("another secret", async () => {
    expect(await verify(await sign(good, {}, "AAAAAAAAAAAAAAAAAAAAAA=="))).toMatchObject({
      error: { errorCode: 40102 },
    });
  });

  test("the key of another date", async () => {
    expect(await verify(await sign(good, {}, secret, "20261119"))).toMatchObject({
      error: { errorCode: 40102 },
    });
  });

  test("an unsigned one", async () => {
    const encode = (value: object) => btoa(JSON.stringify(value)).replaceAll("=", "");
    const token = `${encode({ alg: "none", kid: "hkdfv1-20261120" })}.${encode(good)}.`;
    expect(await verify(token)).toMatchObject({ error: { errorCode: 40102 } });
  });

  test("another algorithm of the same key", async () => {
    const key = new Uint8Array(64);
    const token = await new CompactSign(utf8(JSON.stringify(good)))
      .setProtectedHeader({ alg: "HS512", kid: "hkdfv1-20261120" })
      .sign(key);
    expect(await verify(token)).toMatchObject({ error: { errorCode: 40102 } });
  });
});
