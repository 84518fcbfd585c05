/** `/calling/v1/callouts`, in the words of the Sinch Voice API: calls that the application makes. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { findCall } from "../../core/calls/archive";
import type { CallUser } from "../../core/calls/call-data";
import { calloutId } from "../../core/calls/callout-id";
import { archiveFor } from "../../core/db/database";
import { resolveLine } from "../../core/telephony/address";
import { conferenceRoom } from "../../durable-objects/names";
import {
  areHeaders,
  type CallHeaders,
  fail,
  isUserId,
  limits,
  ok,
  parseAddress,
  type Result,
  serverLimits,
} from "../../protocol";
import type { EdgeEnv } from "../context";
import { parseBody, parseValue, refuse, refuseWith } from "../respond";
import { conferenceIdOf, displayName, text } from "../schemas";

/** What is not here has no effect: docs/rest.md says what that is. */
const conferenceCallout = z.object({
  destination: z.object({ type: z.string(), endpoint: z.string() }),
  conferenceId: z.string(),
  cli: z.nullish(displayName),
  callHeaders: z.nullish(z.array(z.object({ key: z.string(), value: z.string() }))),
  maxDuration: z.nullish(z.number()),
  enableAce: z.nullish(z.boolean()),
  dtmf: z.nullish(z.string()),
});
const methodAlone = z.object({ method: z.string() });
const callout = z.object({ conferenceCallout });
const idempotency = z.object({ "idempotency-key": z.optional(text(128)) });

type ConferenceCallout = z.infer<typeof conferenceCallout>;

export const callouts = new Hono<EdgeEnv>().post("/", async (context) => {
  const { env, req, var: variables } = context;
  const { key: applicationKey } = variables.application;
  const how = parseBody(context, methodAlone);
  if (!how.ok) return refuse(context, how.error);
  if (how.value.method !== "conferenceCallout") {
    return refuseWith(context, "invalidValue", { detail: "method: there is conferenceCallout only" });
  }
  const body = parseBody(context, callout);
  if (!body.ok) return refuse(context, body.error);
  const wanted = readCallout(applicationKey, body.value.conferenceCallout);
  if (!wanted.ok) return refuse(context, wanted.error);
  const named = parseValue(idempotency, { "idempotency-key": req.header("idempotency-key") });
  if (!named.ok) return refuse(context, named.error);
  const key = named.value["idempotency-key"];
  const callId = key ? await calloutId(env.MASTER_KEY, applicationKey, key) : crypto.randomUUID();
  // A call that is over is known by its record alone.
  const over = key && (await findCall(archiveFor(env, applicationKey), applicationKey, callId));
  if (over) return context.json({ callId });
  const { conferenceId } = wanted.value;
  const called = await conferenceRoom(env, { applicationKey, conferenceId }).callOut({
    ...wanted.value,
    applicationKey,
    callId,
    reference: variables.reference,
  });
  // The room has it already: the same request once more.
  const repeated = key && !called.ok && called.error.name === "conflict";
  return called.ok || repeated ? context.json({ callId }) : refuse(context, called.error);
});

/** Errors: invalidValue, tooLarge. */
function readCallout(applicationKey: string, wanted: ConferenceCallout) {
  const conferenceId = inItsWords(conferenceIdOf(wanted.conferenceId));
  if (!conferenceId.ok) return conferenceId;
  const headers: CallHeaders = Object.fromEntries(
    (wanted.callHeaders ?? []).map(({ key, value }) => [key, value]),
  );
  if (!areHeaders(headers)) {
    const detail = `conferenceCallout.callHeaders: has to have at most ${limits.headersBytes} bytes`;
    return fail("tooLarge", { detail });
  }
  const to = inItsWords(calleeOf(applicationKey, wanted, headers));
  if (!to.ok) return to;
  const problem = problemOf(wanted, to.value);
  if (problem) return fail("invalidValue", { detail: `conferenceCallout.${problem}` });
  return ok({
    conferenceId: conferenceId.value,
    to: to.value,
    ...(wanted.cli && { displayName: wanted.cli }),
    video: false,
    headers,
  });
}

/** Whom to call. Errors: invalidValue. */
function calleeOf(
  applicationKey: string,
  { destination: { type, endpoint } }: ConferenceCallout,
  headers: CallHeaders,
): Result<CallUser> {
  switch (type.toLowerCase()) {
    case "username":
      return isUserId(endpoint) && parseAddress(endpoint).applicationKey === undefined
        ? ok({ applicationKey, userId: endpoint })
        : fail("invalidValue", { detail: "to: has to be the id of a user of this application" });
    case "number":
      return resolveLine(applicationKey, { op: "start", to: endpoint, line: "phone", headers, video: false });
    case "sip":
      return resolveLine(applicationKey, { op: "start", to: endpoint, line: "sip", headers, video: false });
    default:
      return fail("invalidValue", { detail: "destination.type: has to be username, number or sip" });
  }
}

/** What the caller counts on, and what cannot be done. */
function problemOf({ maxDuration, enableAce, dtmf }: ConferenceCallout, to: CallUser): string | undefined {
  const { callSecondsMax } = serverLimits;
  if (to.line === "test") return "destination.endpoint: the test number cannot be in a conference";
  if (maxDuration && maxDuration < callSecondsMax) {
    return `maxDuration: a shorter one than ${callSecondsMax} seconds is not built`;
  }
  if (enableAce && to.line) {
    return "enableAce: callbacks are not built, and who answers would be let in without being asked for";
  }
  return dtmf ? "dtmf: tones on answer are not built" : undefined;
}

/** The fields have other names here than on the socket. */
function inItsWords<T>(read: Result<T>): Result<T> {
  if (read.ok) return read;
  const detail = read.error.detail
    ?.replace(/^to:/, "destination.endpoint:")
    .replace(/^headers:/, "callHeaders:");
  return { ok: false, error: { ...read.error, detail: `conferenceCallout.${detail}` } };
}
