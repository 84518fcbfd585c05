/** Who may pass: a server that speaks for an application, an instance, or the administrator. */
import { createMiddleware } from "hono/factory";
import { useSignature } from "../core/applications/users";
import { constantTimeEqual, toBase64, utf8 } from "../core/authentication/bytes";
import { type InstanceClaims, verifyInstanceToken } from "../core/authentication/instance-token";
import { authenticateRequest } from "../core/authentication/rest";
import type { Env } from "../durable-objects/env";
import { userHub } from "../durable-objects/names";
import { fail, isApplicationKey, ok, type Result } from "../protocol";
import { type EdgeContext, type EdgeEnv, findApplication } from "./context";
import { refuse, refuseWith } from "./respond";

/** A signed request or Basic. Sets `application`. */
export const asApplication = createMiddleware<EdgeEnv>(async (context, next) => {
  const {
    env,
    req,
    var: { body },
  } = context;
  const request = { method: req.method, url: new URL(req.url), headers: req.raw.headers, body };
  const application = await authenticateRequest(request, {
    now: Date.now(),
    find: (key) => findApplication(env, key),
    useSignature: (key, signature, expires) => useSignature(env.DB, key, signature, expires),
  });
  if (!application.ok) return refuse(context, application.error);
  context.set("application", application.value);
  return next();
});

/** An instance's token, and its hub agrees. Sets `instance`. */
export const asInstance = createMiddleware<EdgeEnv>(async (context, next) => {
  const instance = await instanceOf(context, false);
  if (!instance.ok) return refuse(context, instance.error);
  const known = await userHub(context.env, instance.value).check(instance.value.instanceId);
  if (!known.ok) return refuse(context, known.error);
  return next();
});

/** Either of the two. Sets `application` or `instance`. */
export const asApplicationOrInstance = createMiddleware<EdgeEnv>((context, next) => {
  const scheme = context.req.header("authorization")?.trim().split(/\s/)[0]?.toLowerCase();
  return scheme === "bearer" ? asInstance(context, next) : asApplication(context, next);
});

/**
 * An instance's token, also one that has expired and may be renewed; the hub is not asked. Sets
 * `instance` and `asOf`.
 */
export const asInstanceToRenew = createMiddleware<EdgeEnv>(async (context, next) => {
  context.set("asOf", Date.now());
  const instance = await instanceOf(context, true);
  return instance.ok ? next() : refuse(context, instance.error);
});

/** The administrator's token. */
export const asAdministrator = createMiddleware<EdgeEnv>(async (context, next) => {
  const token = bearer(context);
  if (!token.ok) return refuse(context, token.error);
  const expected = context.env.ADMIN_TOKEN ?? "";
  // Too short to be a secret: as good as none.
  const allowed = expected.length >= 32 && (await equalDigests(token.value, expected));
  return allowed ? next() : refuseWith(context, "unauthorized", { detail: "This is not the admin token." });
});

/** The application in the path, for the administrator. Sets `application`. */
export const ofApplication = createMiddleware<EdgeEnv>(async (context, next) => {
  const key = context.req.param("key") ?? "";
  const application = isApplicationKey(key) ? await findApplication(context.env, key) : undefined;
  if (!application) return refuseWith(context, "notFound", { detail: "There is no such application." });
  context.set("application", application);
  return next();
});

/**
 * What an instance token says, when its application is there and has not revoked it. `renewing`
 * goes by what the database says now: a renewed token would outlive a revocation that memory has
 * not heard of.
 *
 * Errors: invalidToken, tokenExpired, unauthorized (no such application), instanceRevoked.
 */
export async function acceptToken(
  env: Env,
  token: string,
  renewing = false,
): Promise<Result<InstanceClaims>> {
  const claims = await verifyInstanceToken(env.MASTER_KEY, token, Date.now(), renewing);
  if (!claims.ok) return claims;
  const application = await findApplication(env, claims.value.applicationKey, renewing ? 0 : undefined);
  if (!application) return fail("unauthorized", { detail: "The application was deleted." });
  return claims.value.issuedAt < application.instancesValidFrom ? fail("instanceRevoked") : claims;
}

async function instanceOf(context: EdgeContext, renewing: boolean): Promise<Result<InstanceClaims>> {
  const token = bearer(context);
  if (!token.ok) return token;
  const claims = await acceptToken(context.env, token.value, renewing);
  if (claims.ok) context.set("instance", claims.value);
  return claims;
}

function bearer(context: EdgeContext): Result<string> {
  const header = context.req.header("authorization");
  if (header === undefined) return fail("unauthorized", { detail: "There is no Authorization header." });
  const [, scheme, token] = /^(\S+)\s+(\S+)$/.exec(header.trim()) ?? [];
  if (scheme === undefined || token === undefined) return fail("unauthorized");
  return scheme.toLowerCase() === "bearer"
    ? ok(token)
    : fail("schemeNotSupported", { detail: "Use Bearer here." });
}

/** Digests have one length, so that not even the length of the expected text shows. */
async function equalDigests(one: string, other: string): Promise<boolean> {
  const [left, right] = await Promise.all(
    [one, other].map(async (value) =>
      toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(value)))),
    ),
  );
  return left !== undefined && right !== undefined && constantTimeEqual(left, right);
}
