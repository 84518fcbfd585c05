import { expect, test } from "vitest";
import { issueInstanceToken, verifyInstanceToken } from "./instance-token";

const masterKey = btoa("m".repeat(32));
const identity = {
  applicationKey: "196087a1-e815-4bc4-8984-60d8d8a43f1d",
  userId: `al"ice@!~`,
  instanceId: "0f3f8a3e-3f6f-4b57-9a59-0f2f7a1b7f10",
};
const now = 1_763_640_000_123;
const day = 86_400_000;

test("a token says whose it is, to the millisecond, for 30 days", async () => {
  const { token, expires } = await issueInstanceToken(masterKey, identity, now);
  expect(expires).toBe(now + 30 * day);
  const claims = { ...identity, issuedAt: now, expires };
  expect(await verifyInstanceToken(masterKey, token, now)).toEqual({ ok: true, value: claims });
  expect(await verifyInstanceToken(masterKey, token, expires - 1)).toMatchObject({ ok: true });
  expect(await verifyInstanceToken(masterKey, token, expires)).toMatchObject({
    error: { name: "tokenExpired" },
  });
});

test("it can be renewed for another 365 days", async () => {
  const { token, expires } = await issueInstanceToken(masterKey, identity, now);
  expect(await verifyInstanceToken(masterKey, token, expires + 365 * day - 1, true)).toMatchObject({
    ok: true,
  });
  expect(await verifyInstanceToken(masterKey, token, expires + 365 * day, true)).toMatchObject({
    error: { name: "tokenExpired" },
  });
});

test("it never outlives its instance", async () => {
  const { expires } = await issueInstanceToken(masterKey, identity, now, now + day);
  expect(expires).toBe(now + day);
});

test("it may travel as a WebSocket subprotocol", async () => {
  const { token } = await issueInstanceToken(masterKey, identity, now);
  expect(token).toMatch(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
});

test("anything else is refused", async () => {
  const { token } = await issueInstanceToken(masterKey, identity, now);
  const [header, , signature] = token.split(".");
  const forged = `${header}.${btoa(JSON.stringify({ ...identity, iat: 1, exp: 1e12 }))}.${signature}`;
  const others = ["", "x", "a.b.c", `${token}x`, token.slice(0, -2), forged];
  for (const other of others) {
    expect(await verifyInstanceToken(masterKey, other, now)).toMatchObject({
      error: { name: "invalidToken" },
    });
  }
  const elsewhere = await issueInstanceToken(btoa("n".repeat(32)), identity, now);
  expect(await verifyInstanceToken(masterKey, elsewhere.token, now)).toMatchObject({
    error: { name: "invalidToken" },
  });
});
