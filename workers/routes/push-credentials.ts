/** `/v1/push/credentials`, and the same below an application for the administrator. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { checkPushCredential, makeVapidCredential } from "../../core/push/check-credential";
import {
  listPushCredentials,
  removePushCredential,
  savePushCredential,
} from "../../core/push/credential-store";
import type { PushCredentialData } from "../../core/push/credentials";
import { ok, type Result } from "../../protocol";
import { type EdgeContext, type EdgeEnv, storeOf } from "../context";
import { forgetPushCredentials } from "../push/push-keys";
import { parseBody, refuse } from "../respond";
import { apnsEnvironment, bundleId, projectId, strict, text } from "../schemas";

/** A longer one is no key. */
const keyText = text(8_192);
const appleId = z.string().check(z.regex(/^[A-Za-z0-9]{10}$/, "has to have 10 letters and digits"));
const subject = text(200).check(z.refine(isSubject, "has to be mailto: and an address, or an https: URL"));

const kind = z.object({
  provider: z.enum(["apns", "fcm", "webpush"], "has to be apns, fcm or webpush"),
  generate: z.optional(z.literal(true, "has to be true, or left out")),
});
// Strict: a misspelled bundleId would make a key of the whole team.
const apns = strict({
  provider: z.literal("apns"),
  privateKey: keyText,
  keyId: appleId,
  teamId: appleId,
  bundleId: z.optional(bundleId),
  environment: z.optional(apnsEnvironment),
});
const fcm = strict({
  provider: z.literal("fcm"),
  // Of the file that comes from Google; the rest of it is not kept.
  serviceAccount: z.object({
    type: z.literal("service_account", "has to be service_account: the file of an app is another one"),
    project_id: projectId,
    client_email: text(320).check(z.regex(/^[^\s@]+@[^\s@]+$/, "has to be an e-mail address")),
    private_key_id: text(128),
    private_key: keyText,
  }),
});
const vapid = strict({ provider: z.literal("webpush"), publicKey: text(256), privateKey: keyText, subject });
const newVapid = strict({ provider: z.literal("webpush"), generate: z.literal(true), subject });

export const pushCredentials = new Hono<EdgeEnv>()
  .get("/", async (context) => {
    const { key } = context.var.application;
    return context.json({ credentials: await listPushCredentials(context.env.DB, key) });
  })
  .put("/", async (context) => {
    const { key } = context.var.application;
    const upload = await readUpload(context);
    if (!upload.ok) return refuse(context, upload.error);
    const checked = await checkPushCredential(upload.value);
    if (!checked.ok) return refuse(context, checked.error);
    const saved = await savePushCredential(storeOf(context.env), key, checked.value);
    forgetPushCredentials(key);
    return saved.ok ? context.json(saved.value) : refuse(context, saved.error);
  })
  .delete("/:id", async (context) => {
    const { key } = context.var.application;
    const removed = await removePushCredential(context.env.DB, key, context.req.param("id"));
    forgetPushCredentials(key);
    return removed.ok ? context.body(null, 204) : refuse(context, removed.error);
  });

async function readUpload(context: EdgeContext): Promise<Result<PushCredentialData>> {
  const what = parseBody(context, kind);
  if (!what.ok) return what;
  switch (what.value.provider) {
    case "apns":
      return parseBody(context, apns);
    case "fcm":
      return readServiceAccount(context);
    case "webpush":
      return what.value.generate ? generate(context) : parseBody(context, vapid);
  }
}

function readServiceAccount(context: EdgeContext): Result<PushCredentialData> {
  const file = parseBody(context, fcm);
  if (!file.ok) return file;
  const { project_id, client_email, private_key_id, private_key } = file.value.serviceAccount;
  return ok({
    provider: "fcm",
    projectId: project_id,
    clientEmail: client_email,
    privateKeyId: private_key_id,
    privateKey: private_key,
  });
}

async function generate(context: EdgeContext): Promise<Result<PushCredentialData>> {
  const wanted = parseBody(context, newVapid);
  return wanted.ok ? ok(await makeVapidCredential(wanted.value.subject)) : wanted;
}

/** RFC 8292, 2.1. Apple refuses what has blanks or brackets in it. */
function isSubject(value: string): boolean {
  if (/^mailto:[^\s@<>]+@[^\s@<>]+$/.test(value)) return true;
  return /^https:\/\/[^\s<>]+$/.test(value) && URL.canParse(value);
}
