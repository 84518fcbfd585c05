/**
 * `/calling/v1/conferences`, in the words of the Sinch Voice API, and the same below an application for the
 * administrator: who is in a conference, and what is done to them. Needs `application`.
 *
 * The id of a conference is read from the URL here: it may be any text, and what a router makes of one
 * that is not well encoded must not be the id of another conference.
 */
import { Hono } from "hono";
import * as z from "zod/mini";
import type { Command, ListedParticipant, RoomAddress } from "../../durable-objects/conference-room/rpc";
import { conferenceRoom } from "../../durable-objects/names";
import { fail, isUuid, ok, type Result } from "../../protocol";
import type { EdgeContext, EdgeEnv } from "../context";
import { parseBody, parseValue, refuse, refuseWith } from "../respond";
import { conferenceIdOf, strict } from "../schemas";

const commands = {
  mute: "mute",
  unmute: "unmute",
  onhold: "hold",
  resume: "resume",
} as const satisfies Record<string, Command>;
const words = Object.keys(commands) as (keyof typeof commands)[];
const change = z.object({ command: z.enum(words, `has to be one of ${words.join(", ")}`) });

/** A misspelled `callId` must not mean all participants. */
const query = strict({ conferenceId: z.string(), callId: z.optional(z.string()) });

/** With an empty id or without one, too: what is wrong is told then. */
const paths = ["/id", "/id/", "/id/:conferenceId", "/id//:callId", "/id/:conferenceId/:callId"];

export const conferences = new Hono<EdgeEnv>()
  .on("GET", paths, async (context) => {
    const target = targetOf(context);
    if (!target.ok) return refuse(context, target.error);
    const { room, callId } = target.value;
    if (callId !== undefined) return refuseWith(context, "notFound");
    const listed = await conferenceRoom(context.env, room).list(room);
    if (!listed.ok) return refuse(context, listed.error);
    return context.json({ participants: listed.value.map(inWordsOfSinch) });
  })
  .on("PATCH", paths, async (context) => {
    const target = targetOf(context);
    if (!target.ok) return refuse(context, target.error);
    const { room, callId } = target.value;
    const body = parseBody(context, change);
    if (!body.ok) return refuse(context, body.error);
    if (!isUuid(callId)) return refuseWith(context, "notFound");
    const command = commands[body.value.command];
    const done = await conferenceRoom(context.env, room).command(room, callId, command);
    return done.ok ? context.body(null, 204) : refuse(context, done.error);
  })
  .on("DELETE", paths, async (context) => {
    const target = targetOf(context);
    if (!target.ok) return refuse(context, target.error);
    const { room, callId } = target.value;
    if (callId !== undefined && !isUuid(callId)) return refuseWith(context, "notFound");
    const stub = conferenceRoom(context.env, room);
    const done = callId === undefined ? await stub.kickAll(room) : await stub.kick(room, callId);
    return done.ok ? context.body(null, 204) : refuse(context, done.error);
  });

function inWordsOfSinch({ userId, id, duration, silence }: ListedParticipant) {
  return { cli: userId, id, duration, muted: silence.muted, onhold: silence.held };
}

/** What a URL is about. Errors: invalidRequest, invalidValue. */
function targetOf(context: EdgeContext): Result<{ room: RoomAddress; callId?: string }> {
  const { pathname, search } = new URL(context.req.url);
  const named = partsOf(pathname, search);
  if (!named.ok) return named;
  const { callId } = named.value;
  const conferenceId = conferenceIdOf(named.value.conferenceId);
  if (!conferenceId.ok) return conferenceId;
  const { key: applicationKey } = context.var.application;
  return ok({ room: { applicationKey, conferenceId: conferenceId.value }, callId });
}

function partsOf(pathname: string, search: string): Result<{ conferenceId: string; callId?: string }> {
  const segments = pathname.split("/");
  const [inPath, callId] = segments.slice(segments.indexOf("id") + 1);
  const decoded = decodeOnce(inPath ?? search);
  if (decoded === undefined) {
    return fail("invalidValue", { detail: "conferenceId: has to be percent-encoded UTF-8" });
  }
  return inPath === undefined
    ? parseValue(query, Object.fromEntries(new URLSearchParams(search)))
    : ok({ conferenceId: decoded, callId });
}

/** Undefined when it is not percent-encoded UTF-8. */
function decodeOnce(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
