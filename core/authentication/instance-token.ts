/**
 * The credentials of an instance: a compact JWT that the Worker can check without asking anybody.
 * It is made of the characters that a WebSocket subprotocol may have (RFC 6455, 4.1).
 */
import { CompactSign, compactVerify } from "jose";
import * as z from "zod/mini";
import { fail, isApplicationKey, isUserId, isUuid, ok, type Result, serverLimits } from "../../protocol";
import { utf8 } from "./bytes";
import { deriveKey } from "./master-key";

const dayMs = 86_400_000;

export interface InstanceIdentity {
  applicationKey: string;
  userId: string;
  instanceId: string;
}

/** Times in milliseconds since 1970. */
export interface InstanceClaims extends InstanceIdentity {
  issuedAt: number;
  expires: number;
}

const claims = z.object({
  a: z.string().check(z.refine(isApplicationKey)),
  u: z.string().check(z.refine(isUserId)),
  i: z.string().check(z.refine(isUuid)),
  iat: z.number(),
  exp: z.number(),
});

/** Good for 30 days, but not past `instanceExpires` (milliseconds since 1970). */
export async function issueInstanceToken(
  masterKey: string,
  identity: InstanceIdentity,
  now: number,
  instanceExpires = Number.POSITIVE_INFINITY,
): Promise<{ token: string; expires: number }> {
  const expires = Math.min(now + serverLimits.instanceTokenDays * dayMs, instanceExpires);
  // Fractions of a second are legal (RFC 7519, 2) and let a revocation be told from a registration right after it.
  const body = {
    a: identity.applicationKey,
    u: identity.userId,
    i: identity.instanceId,
    iat: now / 1_000,
    exp: expires / 1_000,
  };
  const token = await new CompactSign(utf8(JSON.stringify(body)))
    .setProtectedHeader({ alg: "HS256" })
    .sign(await deriveKey(masterKey, "instance tokens"));
  return { token, expires };
}

/**
 * Errors: invalidToken, tokenExpired. With `renewing`, a token is good for another 365 days.
 * Whether the instance was revoked is for the hub to say.
 */
export async function verifyInstanceToken(
  masterKey: string,
  token: string,
  now: number,
  renewing = false,
): Promise<Result<InstanceClaims>> {
  const payload = await verifiedPayload(masterKey, token);
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return fail("invalidToken");
  const { a, u, i, iat, exp } = parsed.data;
  const expires = Math.round(exp * 1_000);
  if (expires + (renewing ? serverLimits.instanceRenewDays * dayMs : 0) <= now) return fail("tokenExpired");
  return ok({ applicationKey: a, userId: u, instanceId: i, issuedAt: Math.round(iat * 1_000), expires });
}

async function verifiedPayload(masterKey: string, token: string): Promise<unknown> {
  const key = await deriveKey(masterKey, "instance tokens");
  try {
    const { payload } = await compactVerify(token, key, { algorithms: ["HS256"] });
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
}
