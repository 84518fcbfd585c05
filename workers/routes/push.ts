/** `/v1/push`: how an instance is woken, declining a call from its push, and what became of dead tokens. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { fromBase64, toBase64 } from "../../core/authentication/bytes";
import { listPushCredentials } from "../../core/push/credential-store";
import { isDeclineKey } from "../../core/push/decline-key";
import { listFeedback } from "../../core/push/feedback";
import { selectPushCredential } from "../../core/push/select-credential";
import { callSession, userHub } from "../../durable-objects/names";
import {
  fail,
  limits,
  ok,
  type PushDecline,
  type PushDeviceResult,
  type Result,
  type WebPushKey,
} from "../../protocol";
import type { EdgeEnv } from "../context";
import { asApplication, asInstance } from "../guards";
import { parseBody, parseQuery, refuse, refuseWith } from "../respond";
import { applicationKey, pageLimit, pageOf, text, time, userId, uuid } from "../schemas";
import { readDevice } from "./push-device";

const pushData = z.object({ data: z.string() });
const decline = z.object({
  applicationKey,
  userId,
  callId: uuid,
  origin: z.optional(applicationKey),
  key: text(64),
});
const feedbackPage = z.object({
  since: z.optional(time),
  cursor: z.optional(z.string().check(z.regex(/^\d{1,15}\.[\w-]{16}$/, "is not a cursor of this list"))),
  limit: pageLimit,
});

export const push = new Hono<EdgeEnv>()
  .put("/device", asInstance, async (context) => {
    const { env } = context;
    const { instance } = context.var;
    const device = await readDevice(context);
    if (!device.ok) return refuse(context, device.error);
    const [set, credentials] = await Promise.all([
      userHub(env, instance).setPushDevice(instance.instanceId, device.value),
      listPushCredentials(env.DB, instance.applicationKey),
    ]);
    if (!set.ok) return refuse(context, set.error);
    const deliverable = selectPushCredential(device.value, credentials) !== undefined;
    return context.json({ deliverable } satisfies PushDeviceResult);
  })
  .delete("/device", asInstance, async (context) => {
    const { instance } = context.var;
    const set = await userHub(context.env, instance).setPushDevice(instance.instanceId, null);
    return set.ok ? context.body(null, 204) : refuse(context, set.error);
  })
  .put("/data", asInstance, async (context) => {
    const { instance } = context.var;
    const body = parseBody(context, pushData);
    const data = body.ok ? checkData(body.value.data) : body;
    if (!data.ok) return refuse(context, data.error);
    const set = await userHub(context.env, instance).setPushData(instance.instanceId, data.value);
    return set.ok ? context.body(null, 204) : refuse(context, set.error);
  })
  .delete("/data", asInstance, async (context) => {
    const { instance } = context.var;
    const set = await userHub(context.env, instance).setPushData(instance.instanceId, null);
    return set.ok ? context.body(null, 204) : refuse(context, set.error);
  })
  .get("/web", asInstance, async (context) => {
    const credentials = await listPushCredentials(context.env.DB, context.var.instance.applicationKey);
    const newest = credentials.find((credential) => credential.provider === "webpush");
    if (!newest) {
      return refuseWith(context, "notFound", { detail: "The application has no credential for Web Push." });
    }
    return context.json({ applicationServerKey: newest.publicKey } satisfies WebPushKey);
  })
  // No guard: whoever has the call's push may decline the call. No object is asked before.
  .post("/decline", async (context) => {
    const { env } = context;
    const body = parseBody(context, decline);
    if (!body.ok) return refuse(context, body.error);
    const { key, ...call }: PushDecline = body.value;
    if (!(await isDeclineKey(env.MASTER_KEY, call, key))) {
      return refuseWith(context, "forbidden", { detail: "This is not the key that came with the call." });
    }
    const { applicationKey, userId, callId, origin = applicationKey } = call;
    const declined = await callSession(env, origin, callId).decline({ applicationKey, userId });
    return declined.ok ? context.body(null, 204) : refuse(context, declined.error);
  })
  .get("/feedback", asApplication, async (context) => {
    const query = parseQuery(context, feedbackPage);
    if (!query.ok) return refuse(context, query.error);
    const { since = 0, cursor, limit } = query.value;
    const [time, id = ""] = cursor?.split(".") ?? [];
    const after = time === undefined ? undefined : { time: Number(time), id };
    const found = await listFeedback(context.env.DB, context.var.application.key, { since, after, limit });
    const feedback = found.map(({ id: _, ...entry }) => entry);
    return context.json({ feedback, ...pageOf(found, limit, (last) => `${last.time}.${last.id}`) });
  });

function checkData(data: string): Result<string> {
  const bytes = fromBase64(data);
  if (!bytes || bytes.length === 0 || toBase64(bytes) !== data) {
    return fail("invalidRequest", { detail: "data: has to be base64 of at least one byte" });
  }
  return bytes.length > limits.pushDataBytes
    ? fail("tooLarge", { detail: `data: has more than ${limits.pushDataBytes} bytes` })
    : ok(data);
}
