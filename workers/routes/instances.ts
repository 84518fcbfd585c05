/** `/v1/instances`: a device registers, renews its token, logs out. */
import { Hono } from "hono";
import { z } from "zod/mini";
import type { Application } from "../../core/applications/applications";
import { noteUser } from "../../core/applications/users";
import { issueInstanceToken } from "../../core/authentication/instance-token";
import { verifyRegistrationToken } from "../../core/authentication/registration-token";
import { isRegistrationSignature, parseSequence } from "../../core/authentication/signature";
import { userHub } from "../../durable-objects/names";
import type { RegistrationProof } from "../../durable-objects/user-hub/rpc";
import { fail, ok, type RegistrationResult, type Result } from "../../protocol";
import { type EdgeEnv, findPresentApplication } from "../context";
import { asInstanceToRenew } from "../guards";
import { parseBody, parseValue, refuse, refuseWith } from "../respond";
import { applicationKey, deviceId, text, userId } from "../schemas";

const identity = z.object({ applicationKey, userId, deviceId: z.optional(deviceId) });
const signed = z.object({
  signature: text(512),
  sequence: z
    .union([z.number(), z.string()], "has to be a number or a text")
    .check(z.refine((value) => parseSequence(value) !== undefined, "has to be a uint64 in decimal")),
});
const withToken = z.object({ token: text(8_192) });
const eitherOne = z.object({ signature: z.optional(z.unknown()), token: z.optional(z.unknown()) });

type Identity = z.infer<typeof identity>;
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
    const application = await findPresentApplication(env, who.value.applicationKey);
    if (!application) return refuseWith(context, "unauthorized");
    context.set("application", application);
    const proven = await prove(application, who.value, credentials.value);
    if (!proven.ok) return refuse(context, proven.error);

    const user = { applicationKey: application.key, userId: who.value.userId };
    const request = { user, deviceId: who.value.deviceId, ...proven.value, reference };
    const [registered] = await Promise.all([
      userHub(env, user).register(request),
      noteUser(env.DB, user, Date.now()),
    ]);
    if (!registered.ok) return refuse(context, registered.error);
    const { instanceId } = registered.value;
    const issued = await issueInstanceToken(
      env.MASTER_KEY,
      { ...user, instanceId },
      Date.now(),
      proven.value.instanceExpires,
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

function parseCredentials(body: unknown): Result<z.infer<typeof signed> | z.infer<typeof withToken>> {
  const given = parseValue(eitherOne, body);
  if (!given.ok) return given;
  const { signature, token } = given.value;
  if (token === undefined) return parseValue(signed, body);
  return signature === undefined
    ? parseValue(withToken, body)
    : fail("invalidRequest", { detail: "token: give a token or a signature, not both" });
}

async function prove(
  application: Application,
  { applicationKey, userId }: Identity,
  credentials: z.infer<typeof signed> | z.infer<typeof withToken>,
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
