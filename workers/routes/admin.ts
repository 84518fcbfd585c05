/** `/v1/admin`: applications, their secrets, push credentials, trunks, users and conferences; accounts; rates. Needs the administrator. */
import { Hono } from "hono";
import * as z from "zod/mini";
import {
  createApplication,
  deleteApplication,
  listApplications,
  revokeSecret,
  rotateSecret,
} from "../../core/applications/applications";
import { issueRegistrationToken } from "../../core/authentication/registration-token";
import { isUserId } from "../../protocol";
import { type EdgeEnv, forgetApplication, storeOf } from "../context";
import { ofApplication } from "../guards";
import { parseBody, parseQuery, refuse, refuseWith } from "../respond";
import { startRevocation } from "../revocation";
import { applicationKey, between, pageLimit, pageOf, text } from "../schemas";
import { accounts } from "./accounts";
import { conferences } from "./conferences";
import { pushCredentials } from "./push-credentials";
import { rates } from "./rates";
import { trunks } from "./trunks";
import { users } from "./users";

const accountId = z
  .string()
  .check(z.regex(/^[A-Za-z0-9._-]{1,64}$/, "has to be 1 to 64 letters, digits, dots, dashes or underscores"));
const newApplication = z.object({ name: text(100), account: z._default(accountId, "default") });
const rotation = z.object({
  keepOld: z._default(z.boolean(), true),
  revokeInstances: z._default(z.boolean(), false),
});
const lifetime = z.object({ ttlSeconds: z._default(between(60, 86_400), 3_600) });
const page = z.object({ cursor: z.optional(applicationKey), limit: pageLimit });

const applications = new Hono<EdgeEnv>()
  .post("/", async (context) => {
    const what = parseBody(context, newApplication);
    if (!what.ok) return refuse(context, what.error);
    const made = await createApplication(storeOf(context.env), what.value);
    return context.json({ name: what.value.name, ...made }, 201);
  })
  .get("/", async (context) => {
    const query = parseQuery(context, page);
    if (!query.ok) return refuse(context, query.error);
    const { cursor: after, limit } = query.value;
    const found = await listApplications(storeOf(context.env), { after, limit });
    return context.json({ applications: found, ...pageOf(found, limit, (last) => last.applicationKey) });
  })
  .use("/:key/*", ofApplication)
  .use("/:key", ofApplication)
  .post("/:key/rotate", async (context) => {
    const how = parseBody(context, rotation);
    if (!how.ok) return refuse(context, how.error);
    const {
      env,
      var: {
        reference,
        application: { key },
      },
    } = context;
    const rotated = await rotateSecret(storeOf(env), key, how.value);
    forgetApplication(key);
    if (!rotated.ok) return refuse(context, rotated.error);
    if (!how.value.revokeInstances) return context.json(rotated.value);
    const { told, complete } = await startRevocation(env, key, reference);
    return context.json({ ...rotated.value, revocation: { users: told, complete } });
  })
  .delete("/:key/secrets/:secretId", async (context) => {
    const { key } = context.var.application;
    const revoked = await revokeSecret(storeOf(context.env), key, context.req.param("secretId"));
    forgetApplication(key);
    return revoked.ok ? context.body(null, 204) : refuse(context, revoked.error);
  })
  .delete("/:key", async (context) => {
    const {
      env,
      var: {
        reference,
        application: { key },
      },
    } = context;
    const deleted = await deleteApplication(storeOf(env), key);
    forgetApplication(key);
    if (!deleted.ok) return refuse(context, deleted.error);
    await startRevocation(env, key, reference);
    return context.body(null, 204);
  })
  .post("/:key/users/:userId/token", async (context) => {
    const how = parseBody(context, lifetime);
    if (!how.ok) return refuse(context, how.error);
    const userId = context.req.param("userId");
    const { key, secrets } = context.var.application;
    const secret = secrets[0]?.secret;
    if (!isUserId(userId) || secret === undefined) {
      return refuseWith(context, "invalidRequest", { detail: "userId: is not a user id" });
    }
    const { ttlSeconds } = how.value;
    const made = { now: Date.now(), ttlSeconds, nonce: crypto.randomUUID() };
    return context.json(
      { token: await issueRegistrationToken({ applicationKey: key, userId }, secret, made) },
      201,
    );
  })
  .route("/:key/users", users)
  .route("/:key/push/credentials", pushCredentials)
  .route("/:key/trunks", trunks)
  .route("/:key/conferences", conferences);

export const admin = new Hono<EdgeEnv>()
  .route("/applications", applications)
  .route("/accounts", accounts)
  .route("/rates", rates);
