/** Registration scheme 3: a JWT (RFC 7519) that the app's server issues. Source: SPEC section 1. */
import { CompactSign, compactVerify, decodeProtectedHeader } from "jose";
import * as z from "zod/mini";
import { type ErrorName, fail, ok, type Result } from "../../protocol";
import { type Bytes, fromBase64, hmacSha256, utf8 } from "./bytes";

const daySeconds = 86_400;
const clockSkewSeconds = 60;
const instanceExpiryClaim = "sinch:rtc:instance:exp";

/** What an accepted token says, times in milliseconds since 1970. */
export interface RegistrationClaims {
  nonce: string;
  expires: number;
  instanceExpires?: number;
}

export interface ExpectedUser {
  applicationKey: string;
  userId: string;
}

const seconds = z.number().check(z.minimum(0), z.maximum(253_402_300_799));
const claims = z.object({
  iss: z.string(),
  sub: z.string(),
  iat: seconds,
  exp: seconds,
  nonce: z.string().check(z.minLength(1), z.maxLength(64)),
  [instanceExpiryClaim]: z.optional(seconds),
});

/** HMAC-SHA256 of the UTC date `YYYYMMDD` under the secret. */
export async function registrationTokenKey(secret: string, date: string): Promise<Bytes> {
  return hmacSha256(fromBase64(secret) ?? new Uint8Array(), date);
}

/**
 * Reads and checks a token for a user; whether its nonce was used before is the hub's to say.
 *
 * Errors: invalidRequest (not such a JWT; `detail` names what), wrongSignature (signed with
 * another secret, or for another user), tokenExpired (or not yet valid).
 */
export async function verifyRegistrationToken(
  token: string,
  user: ExpectedUser,
  secrets: readonly string[],
  now: number,
): Promise<Result<RegistrationClaims>> {
  const date = keyDate(token);
  if (!date.ok) return date;
  const payload = await verifiedPayload(token, date.value, secrets);
  if (!payload) return fail("wrongSignature");
  const parsed = claims.safeParse(payload);
  if (!parsed.success)
    return malformed(`the claim ${parsed.error.issues[0]?.path.join(".") || "set"} is missing or malformed`);
  const problem = claimProblem(parsed.data, user, date.value, now / 1_000);
  if (problem) return fail(problem.name, { detail: `token: ${problem.detail}` });
  const instanceExpires = parsed.data[instanceExpiryClaim];
  return ok({
    nonce: parsed.data.nonce,
    expires: parsed.data.exp * 1_000,
    ...(instanceExpires === undefined ? {} : { instanceExpires: instanceExpires * 1_000 }),
  });
}

/** Issues such a token, as an app's server would. `ttlSeconds` is at least 60. */
export async function issueRegistrationToken(
  user: ExpectedUser,
  secret: string,
  how: { now: number; ttlSeconds: number; nonce: string },
): Promise<string> {
  const iat = Math.floor(how.now / 1_000);
  const issuer = `//rtc.sinch.com/applications/${user.applicationKey}`;
  const body = {
    iss: issuer,
    sub: `${issuer}/users/${user.userId}`,
    iat,
    exp: iat + how.ttlSeconds,
    nonce: how.nonce,
  };
  const date = utcDate(iat);
  return new CompactSign(utf8(JSON.stringify(body)))
    .setProtectedHeader({ alg: "HS256", kid: `hkdfv1-${date}` })
    .sign(await registrationTokenKey(secret, date));
}

function keyDate(token: string): Result<string> {
  try {
    const kid = decodeProtectedHeader(token).kid;
    const date = /^hkdfv1-(\d{8})$/.exec(kid ?? "")?.[1];
    return date ? ok(date) : malformed("kid has to be hkdfv1-YYYYMMDD");
  } catch {
    return malformed("not a JWT");
  }
}

async function verifiedPayload(token: string, date: string, secrets: readonly string[]): Promise<unknown> {
  for (const secret of secrets) {
    try {
      const key = await registrationTokenKey(secret, date);
      const { payload } = await compactVerify(token, key, { algorithms: ["HS256"] });
      return parseObject(new TextDecoder().decode(payload));
    } catch {
      // Another secret may fit while two are valid.
    }
  }
  return undefined;
}

/** Not JSON is an empty set of claims, which says that they are missing. */
function parseObject(text: string): unknown {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function claimProblem(
  claim: z.infer<typeof claims>,
  user: ExpectedUser,
  date: string,
  now: number,
): { name: ErrorName; detail: string } | undefined {
  const issuer = `//rtc.sinch.com/applications/${user.applicationKey}`;
  const wrong = (detail: string) => ({ name: "invalidRequest" as const, detail });
  if (claim.iss !== issuer) return { name: "wrongSignature", detail: "iss names another application" };
  if (claim.sub !== `${issuer}/users/${user.userId}`) {
    return { name: "wrongSignature", detail: "sub names another user" };
  }
  const dates = [claim.iat - daySeconds, claim.iat, claim.iat + daySeconds].map(utcDate);
  if (!dates.includes(date)) return wrong("kid has to be the UTC date of iat");
  if (claim.exp < claim.iat + 60) return wrong("exp has to be at least 60 seconds after iat");
  const instanceExpires = claim[instanceExpiryClaim];
  if (instanceExpires !== undefined && instanceExpires < claim.iat + 2 * daySeconds) {
    return wrong(`${instanceExpiryClaim} has to be at least 48 hours after iat`);
  }
  if (claim.exp <= now) return { name: "tokenExpired", detail: "exp has passed" };
  if (instanceExpires !== undefined && instanceExpires <= now) {
    return { name: "tokenExpired", detail: `${instanceExpiryClaim} has passed` };
  }
  if (claim.iat > now + clockSkewSeconds) return { name: "tokenExpired", detail: "iat lies in the future" };
  return undefined;
}

function utcDate(time: number): string {
  return new Date(time * 1_000).toISOString().slice(0, 10).replaceAll("-", "");
}

function malformed(detail: string) {
  return fail("invalidRequest", { detail: `token: ${detail}` });
}
