import { expect, test } from "vitest";
import { verifyRegistrationToken } from "../../core/authentication/registration-token";
import { isRegistrationSignature, parseSequence } from "../../core/authentication/signature";
import vectors from "../../test/vectors/authentication.json";
import { signature, token } from "./sign.mjs";

const { applicationKey, applicationSecret, signatures } = vectors.registration;

test.each(signatures)("scheme 2: the vector of $userId", ({ userId, sequence, signature: expected }) => {
  const made = signature({ applicationKey, applicationSecret, userId, sequence: Number(sequence) });
  expect(made).toEqual({ signature: expected, sequence: Number(sequence) });
});

test("scheme 2: accepted as it is made", async () => {
  const made = signature({ applicationKey, applicationSecret, userId: "alice" });
  const what = { applicationKey, userId: "alice", sequence: parseSequence(made.sequence) ?? "" };
  expect(await isRegistrationSignature(what, made.signature, [applicationSecret])).toBe(true);
});

test("scheme 3: accepted for its user, with a nonce of its own", async () => {
  const now = Date.UTC(2026, 10, 20, 23, 59, 59);
  const user = { applicationKey, userId: "alice" };
  const nonces = new Set<string>();
  for (let n = 0; n < 2; n++) {
    const made = token({ ...user, applicationSecret, now });
    const claims = await verifyRegistrationToken(made.token, user, [applicationSecret], now);
    expect(claims).toMatchObject({ ok: true, value: { expires: now + 600_000 } });
    if (claims.ok) nonces.add(claims.value.nonce);
  }
  expect(nonces.size).toBe(2);
});
