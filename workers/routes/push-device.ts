/** The body of `PUT /v1/push/device`. */
import * as z from "zod/mini";
import { isBase64Url, isPublicKey } from "../../core/push/key-forms";
import { isPushEndpoint } from "../../core/push/web-push-endpoint";
import { fail, ok, type PushDevice, type Result } from "../../protocol";
import type { EdgeContext } from "../context";
import { parseBody } from "../respond";
import { apnsEnvironment, bundleId, projectId, text } from "../schemas";

const apnsToken = z
  .string()
  .check(z.regex(/^([0-9a-fA-F]{2}){32,100}$/, "has to have 64 to 200 hexadecimal digits"));
const point = z
  .string()
  .check(z.refine((value) => isBase64Url(value, 65), "has to be 65 bytes in base64url, without padding"));

const kind = z.object({
  provider: z.enum(["apns", "fcm", "webpush"], "has to be apns, fcm or webpush"),
});
const apns = z
  .object({
    provider: z.literal("apns"),
    bundleId,
    environment: apnsEnvironment,
    voipToken: z.optional(apnsToken),
    alertToken: z.optional(apnsToken),
    type: z.optional(z.enum(["auto", "voip", "alert"], "has to be auto, voip or alert")),
    sound: z.optional(
      text(100).check(z.regex(/^[^\p{Cc}\p{Cs}]+$/u, "has to be the name of a sound, or default")),
    ),
    mutableContent: z.optional(z.boolean()),
  })
  .check(
    z.refine(({ voipToken, alertToken }) => voipToken !== undefined || alertToken !== undefined, {
      path: ["alertToken"],
      message: "give an alertToken, a voipToken, or both",
    }),
  );
const fcm = z.object({
  provider: z.literal("fcm"),
  token: text(4_096).check(z.regex(/^[!-~]+$/, "has to be printable ASCII without spaces")),
  projectId: z.optional(projectId),
});
const webPush = z.object({
  provider: z.literal("webpush"),
  endpoint: text(2_048),
  keys: z.object({
    p256dh: point,
    auth: z
      .string()
      .check(z.refine((value) => isBase64Url(value, 16), "has to be 16 bytes in base64url, without padding")),
  }),
  applicationServerKey: z.optional(point),
});

/** Errors: invalidRequest, invalidValue (an endpoint or a key that nothing can be sent to). */
export async function readDevice(context: EdgeContext): Promise<Result<PushDevice>> {
  const what = parseBody(context, kind);
  if (!what.ok) return what;
  switch (what.value.provider) {
    case "apns":
      return parseBody(context, apns);
    case "fcm":
      return parseBody(context, fcm);
    case "webpush":
      return readSubscription(context);
  }
}

async function readSubscription(context: EdgeContext): Promise<Result<PushDevice>> {
  const subscription = parseBody(context, webPush);
  if (!subscription.ok) return subscription;
  const { endpoint, keys } = subscription.value;
  if (!isPushEndpoint(endpoint, context.env.WEB_PUSH_HOSTS)) {
    return fail("invalidValue", { detail: "endpoint: is not at a push service that this server sends to" });
  }
  if (!(await isPublicKey(keys.p256dh))) {
    return fail("invalidValue", { detail: "keys.p256dh: is no uncompressed point of the curve P-256" });
  }
  return ok(subscription.value);
}
