/** `/v1/instances`: a device registers, renews its token, logs out. */
import { Hono } from "hono";
import * as z from "zod/mini";
import type { Application } from "../../core/applications/applications";
import { noteUser } from "../../core/applications/users";
import { issueInstanceToken } from "../../core/authentication/instance-token";
import { verifyRegistrationToken } from "../../core/authentication/registration-token";
import { isRegistrationSignature, parseSequence } from "../../core/authentication/signature";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import type { RegistrationProof } from "../../durable-objects/user-hub/rpc";
import { fail, ok, type RegistrationResult, type Result } from "../../protocol";
import { type EdgeEnv, findApplication } from "../context";
import { asInstanceToRenew } from "../guards";
import { mayRegister, refuseRate } from "../rate-limit";
import { parseBody, parseValue, refuse, refuseWith } from "../respond";
import { applicationKey, deviceId, newUserId, text } from "../schemas";

const refusalMs = 1_000;

const identity = z.object({ applicationKey, userId: newUserId, deviceId: z.optional(deviceId) });
const signed = z.object({
  signature: text(512),
  sequence: z
    .union([z.number(), z.string()], "has to be a number or a text")
    .check(z.refine((value) => parseSequence(value) !== undefined, "has to be a uint64 in decimal")),
});
const withToken = z.object({ token: text(8_192) });
const eitherOne = z.object({ signature: z.optional(z.unknown()), token: z.optional(z.unknown()) });

type Identity = z.infer<typeof identity>;
type Credentials = z.infer<typeof signed> | z.infer<typeof withToken>;
interface Proven {
  proof: RegistrationProof;
  instanceExpires?: number;
}

export const instances = new Hono<EdgeEnv>()
  .post("/", async (context) => {
    const { env } = context;
    const { reference } = context.var;
    const who = parseBody(context, identity);
    if (!who.ok) return refuse(context, who.error);
    const credentials = parseCredentials(JSON.parse(new TextDecoder().decode(context.var.body)));
    if (!credentials.ok) return refuse(context, credentials.error);
    if (!(await mayRegister(context, who.value.applicationKey))) return refuseRate(context);
    const proven = await proveNow(env, who.value, credentials.value);
    if (!proven.ok) return refuse(context, proven.error);

    const { application, asOf, ...proof } = proven.value;
    context.set("application", application);
    const user = { applicationKey: application.key, userId: who.value.userId };
    const request = { user, deviceId: who.value.deviceId, ...proof, reference };
    const [registered] = await Promise.all([
      userHub(env, user).register(request),
      noteUser(env.DB, user, Date.now()),
    ]);
    if (!registered.ok) return refuse(context, registered.error);
    const { instanceId } = registered.value;
    const issued = await issueInstanceToken(
      env.MASTER_KEY,
      { ...user, instanceId },
      asOf,
      proof.instanceExpires,
    );
    return context.json(resultOf(instanceId, issued), 201);
  })
  .post("/renew", asInstanceToRenew, async (context) => {
    const { env } = context;
    const { asOf, instance, reference } = context.var;
    const renewed = await userHub(env, instance).renew(instance.instanceId, reference);
    if (!renewed.ok) return refuse(context, renewed.error);
    const issued = await issueInstanceToken(env.MASTER_KEY, instance, asOf, renewed.value.expires);
    return context.json(resultOf(instance.instanceId, issued), 200);
  })
  // A device may log out after its token has expired.
  .delete("/:instanceId", asInstanceToRenew, async (context) => {
    const { instance, reference } = context.var;
    if (context.req.param("instanceId") !== instance.instanceId) {
      return refuseWith(context, "forbidden", { detail: "An instance can revoke itself only." });
    }
    const revoked = await userHub(context.env, instance).revoke(instance.instanceId, reference);
    return revoked > 0 ? context.body(null, 204) : refuseWith(context, "instanceRevoked");
  });

function parseCredentials(body: unknown): Result<Credentials> {
  const given = parseValue(eitherOne, body);
  if (!given.ok) return given;
  const { signature, token } = given.value;
  if (token === undefined) return parseValue(signed, body);
  return signature === undefined
    ? parseValue(withToken, body)
    : fail("invalidRequest", { detail: "token: give a token or a signature, not both" });
}

/**
 * Memory may turn a registration down, and that only when it is not older than a second; it is
 * accepted by what the database says now. So one who has no secret causes one read a second.
 */
async function proveNow(
  env: Env,
  who: Identity,
  credentials: Credentials,
): Promise<Result<Proven & { application: Application; asOf: number }>> {
  const began = Date.now();
  const known = await findApplication(env, who.applicationKey);
  if (!known) return fail("unauthorized");
  const first = await prove(known, who, credentials);
  const application = await findApplication(env, who.applicationKey, first.ok ? 0 : refusalMs);
  if (!application) return fail("unauthorized");
  const proven = application === known ? first : await prove(application, who, credentials);
  if (!proven.ok) return proven;
  // Issued as of before the read: a revocation that it did not see ends it, one that it saw does not.
  const asOf = Math.max(began, application.instancesValidFrom);
  return ok({ ...proven.value, application, asOf });
}

async function prove(
  application: Application,
  { applicationKey, userId }: Identity,
  credentials: Credentials,
): Promise<Result<Proven>> {
  const user = { applicationKey, userId };
  const secrets = application.secrets.map(({ secret }) => secret);
  if ("token" in credentials) {
    const claims = await verifyRegistrationToken(credentials.token, user, secrets, Date.now());
    if (!claims.ok) return claims;
    const { nonce, expires, instanceExpires } = claims.value;
    return ok({ proof: { kind: "nonce", nonce, expires }, instanceExpires });
  }
  const sequence = parseSequence(credentials.sequence) ?? "";
  const fits = await isRegistrationSignature({ ...user, sequence }, credentials.signature, secrets);
  return fits ? ok({ proof: { kind: "sequence", sequence } }) : fail("wrongSignature");
}

function resultOf(instanceId: string, issued: { token: string; expires: number }): RegistrationResult {
  return {
    instanceId,
    instanceToken: issued.token,
    expiresAt: new Date(issued.expires).toISOString(),
  };
}
