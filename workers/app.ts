/** The edge: what every request goes through, and where it goes then. */
import { Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import { log, newReference } from "../core/log";
import { serverLimits } from "../protocol";
import type { EdgeEnv } from "./context";
import { asAdministrator, asApplication, asInstance } from "./guards";
import { limitGuesses } from "./rate-limit";
import { readBody, refuse, refuseWith } from "./respond";
import { admin } from "./routes/admin";
import { callouts } from "./routes/callouts";
import { calls } from "./routes/calls";
import { conferences } from "./routes/conferences";
import { connect } from "./routes/connect";
import { credits } from "./routes/credits";
import { health } from "./routes/health";
import { history } from "./routes/history";
import { iceServers } from "./routes/ice-servers";
import { instances } from "./routes/instances";
import { messages } from "./routes/messages";
import { push } from "./routes/push";
import { pushCredentials } from "./routes/push-credentials";
import { statisticsRoute } from "./routes/statistics";
import { trunks } from "./routes/trunks";
import { users } from "./routes/users";

/** All else is of the softphone. */
const isApi = (path: string) => /^\/(v1|calling)(\/|$)/.test(path);

/** A reference for the answer and the log, and one line per request: no query, no header, no body. */
const logged = createMiddleware<EdgeEnv>(async (context, next) => {
  const start = Date.now();
  const reference = newReference();
  context.set("reference", reference);
  await next();
  const { status } = context.res;
  // The headers of an upgrade and of an asset are not ours to change.
  if (status !== 101 && isApi(context.req.path)) context.res.headers.set("x-reference", reference);
  log(status >= 500 ? "error" : "info", "request", {
    reference,
    method: context.req.method,
    route: routePath(context, -1),
    status,
    ms: Date.now() - start,
    application: context.var.application?.key ?? context.var.instance?.applicationKey,
  });
});

/** Reads the body, where none that takes more has read it before. */
const withBody = (max: number) =>
  createMiddleware<EdgeEnv>(async (context, next) => {
    if (context.var.body) return next();
    const body = await readBody(context.req.raw, max);
    if (!body.ok) return refuse(context, body.error);
    context.set("body", body.value);
    return next();
  });

/** No cookie is ever read, so that any page may ask. */
const crossOrigin = cors({
  origin: "*",
  allowHeaders: ["authorization", "content-type", "x-timestamp", "idempotency-key"],
  allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
  exposeHeaders: ["x-reference", "retry-after"],
  maxAge: 86_400,
});

export const app = new Hono<EdgeEnv>();

app.use(logged);
app.route("/health", health);
// Before the rest, which would change the headers of an upgrade.
app.get("/v1/connect", connect);
app.use("/v1/*", crossOrigin, limitGuesses);
app.use("/calling/*", crossOrigin, limitGuesses);
// Of nobody else so much is read.
app.put("/v1/admin/rates", asAdministrator, withBody(serverLimits.rateCardBytes));
app.use("/v1/*", withBody(serverLimits.bodyBytes));
app.use("/calling/*", withBody(serverLimits.bodyBytes));
app.route("/v1/instances", instances);
app.use("/v1/users/*", asApplication).route("/v1/users", users);
app.use("/v1/calls/*", asApplication).route("/v1/calls", calls);
app.use("/v1/messages/*", asApplication).route("/v1/messages", messages);
app.use("/v1/history", asInstance).route("/v1/history", history);
app.use("/v1/statistics", asInstance).route("/v1/statistics", statisticsRoute);
app.use("/v1/ice-servers", asInstance).route("/v1/ice-servers", iceServers);
app.use("/v1/push/credentials/*", asApplication).route("/v1/push/credentials", pushCredentials);
app.route("/v1/push", push);
app.route("/v1/credits", credits);
app.use("/v1/trunks/*", asApplication).route("/v1/trunks", trunks);
app.use("/v1/admin/*", asAdministrator).route("/v1/admin", admin);
app.use("/calling/v1/conferences/*", asApplication).route("/calling/v1/conferences", conferences);
app.use("/calling/v1/callouts/*", asApplication).route("/calling/v1/callouts", callouts);

app.notFound((context) => {
  return isApi(context.req.path) || !context.env.ASSETS
    ? refuseWith(context, "notFound")
    : context.env.ASSETS.fetch(context.req.raw);
});

app.onError((error, context) => {
  log("error", "exception", { reference: context.var.reference, error: error.stack ?? String(error) });
  return refuseWith(context, "internal");
});
