/** The door of the active connection: text in, a frame of a precise type or an error out. */
import * as z from "zod/mini";
import {
  areHeaders,
  byteLength,
  type ClientFrame,
  type ErrorBody,
  type ErrorName,
  errorBody,
  errorTable,
  isMessageId,
  isUserId,
  isUuid,
  limits,
  serverLimits,
} from "../../protocol";

const whole = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
const uuid = z.string().check(z.refine(isUuid, "not a lowercase UUID"));
const requestId = whole(0, Number.MAX_SAFE_INTEGER);
const count = requestId;
const short = (bytes: number) =>
  z.string().check(z.refine((text) => byteLength(text) <= bytes, `more than ${bytes} bytes`));
const label = (characters: number) => z.nullish(z.string().check(z.maxLength(characters)));

const sdp = short(serverLimits.sdpBytes);
const description = z.object({ type: z.enum(["offer", "answer"]), sdp });
const offer = z.object({ type: z.literal("offer"), sdp });
const answer = z.object({ type: z.literal("answer"), sdp });
const ofMany = <T extends z.ZodMiniType>(type: T) => z.object({ type, sdp: short(serverLimits.sfuSdpBytes) });
const candidates = z
  .array(
    z.object({
      candidate: short(serverLimits.candidateBytes),
      sdpMid: label(64),
      sdpMLineIndex: z.nullish(whole(0, 255)),
      usernameFragment: label(256),
    }),
  )
  .check(z.maxLength(limits.candidatesPerFrame));

const userId = z.string().check(z.refine(isUserId, "not a user id"));
const messageId = z.string().check(z.refine(isMessageId, "not a lowercase UUIDv7"));

/** A client names an error of the table; its words are ours, so that nobody can speak through it. */
const clientError = z.pipe(
  z.object({ name: z.enum(Object.keys(errorTable) as [ErrorName, ...ErrorName[]]) }),
  z.transform(({ name }: { name: ErrorName }): ErrorBody => errorBody(name)),
);

/** The parser would leave `__proto__` out without a word. */
const headers = z.pipe(
  z
    .unknown()
    .check(z.refine((value) => !Object.hasOwn(Object(value), "__proto__"), "has the name __proto__")),
  z.record(z.string(), z.string()),
);

/** The `mid` of a media section, and a room's count of something. */
const mid = z.string().check(z.minLength(1), z.maxLength(16));
const few = <T extends z.ZodMiniType>(item: T, max: number) => z.array(item).check(z.maxLength(max));
const records = <T extends z.ZodMiniType>(key: z.ZodMiniString, value: T, max: number) =>
  z.record(key, value).check(z.refine((all) => Object.keys(all).length <= max, `more than ${max}`));

/** Everybody receives them: a voice, a camera and a screen, and the voice of each phone that one hosts. */
const published = z.array(z.object({ mid, kind: z.enum(["audio", "video"]), id: z.optional(uuid) })).check(
  z.refine((tracks) => {
    const own = tracks.filter(({ id }) => id === undefined);
    const phones = tracks.filter(({ id }) => id !== undefined);
    const voices = own.filter(({ kind }) => kind === "audio").length;
    return (
      voices <= 1 &&
      own.length - voices <= 2 &&
      phones.length <= serverLimits.conferencePhones &&
      phones.every(({ kind }) => kind === "audio") &&
      new Set(phones.map(({ id }) => id)).size === phones.length &&
      new Set(tracks.map((track) => track.mid)).size === tracks.length
    );
  }, "more than one voice and two videos, and one voice for each phone"),
);

/** What a participant says to its conference; the room checks the ids, of which it knows which are its own. */
const room = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("signal"),
    signals: few(
      z.object({
        peer: uuid,
        description: z.optional(description),
        tracks: z.optional(records(mid, uuid, serverLimits.conferencePhones)),
        candidates: z.optional(candidates),
        heard: z.optional(z.literal(true)),
      }),
      limits.signalsPerFrame,
    ).check(z.minLength(1)),
  }),
  z.object({
    type: z.literal("publish"),
    description: ofMany(z.literal("offer")),
    tracks: published,
    heard: count,
    fresh: z.optional(z.literal(true)),
  }),
  z.object({ type: z.literal("sfuAnswer"), offer: count, description: ofMany(z.literal("answer")) }),
  z.object({
    type: z.literal("show"),
    videos: records(uuid, z.enum(["h", "m", "l"]), serverLimits.conferenceParticipants),
  }),
  z.object({
    type: z.literal("invite"),
    id: uuid,
    to: z.string().check(z.minLength(1), z.maxLength(serverLimits.sipAddress)),
    line: z.optional(z.enum(["phone", "sip"])),
    video: z.optional(z.boolean()),
  }),
  z.object({ type: z.literal("bridge"), id: uuid, description }),
  z.object({ type: z.literal("bridgeFailed"), id: uuid }),
]);

const start = z
  .object({
    op: z.literal("start"),
    // What it has to be, its line says: `CallCarrier` reads it.
    to: z.string().check(z.minLength(1), z.maxLength(serverLimits.sipAddress)),
    line: z.optional(z.enum(["phone", "sip", "conference"])),
    displayName: z.optional(short(serverLimits.displayNameBytes)),
    video: z.boolean(),
    headers: headers.check(z.refine(areHeaders, `more than ${limits.headersBytes} bytes`)),
    offer: z.optional(offer),
    ringSeconds: z.optional(
      z.number().check(z.minimum(limits.ringSecondsMin), z.maximum(limits.ringSecondsMax)),
    ),
  })
  .check(
    z.refine(({ line, offer }) => line === "conference" || offer, { error: "missing", path: ["offer"] }),
  );

const operation = z.discriminatedUnion("op", [
  start,
  z.object({ op: z.literal("ringing") }),
  z.object({ op: z.literal("answer"), description: z.optional(answer), candidates }),
  z.object({ op: z.literal("room"), room }),
  z.object({ op: z.literal("candidates"), candidates }),
  z.object({ op: z.literal("description"), description, candidates }),
  z.object({
    op: z.literal("media"),
    media: z.object({
      muted: z.boolean(),
      held: z.boolean(),
      video: z.enum(["off", "on", "paused", "screen"]),
    }),
  }),
  z.object({ op: z.literal("flowing"), flowing: z.boolean() }),
  z.object({
    op: z.literal("dtmf"),
    keys: z.string().check(z.regex(/^[0-9#*A-D]{1,64}$/, "not 0-9 # * A-D")),
  }),
  z.object({ op: z.literal("transfer"), to: userId }),
  z.object({ op: z.literal("hangup"), error: z.optional(clientError) }),
]);

const position = z.object({ callId: uuid, origin: z.optional(uuid), ack: count });
const positions = z.array(position).check(z.maxLength(limits.callsPerConnection * 2));
const state = z.object({ listening: z.boolean(), background: z.boolean() });

const mail = z.object({ ack: z.optional(count), notes: z.optional(count) });
/** Its form only: what it says is checked message by message, so that a bad one refuses no other. */
const outgoing = z.object({
  id: z.string().check(z.maxLength(64)),
  to: z.array(z.string().check(z.maxLength(64))).check(z.maxLength(limits.recipients * 4)),
  text: z.string(),
  headers,
});
const list = <T extends z.ZodMiniType>(item: T, max: number) =>
  z.array(item).check(z.minLength(1), z.maxLength(max));

const clientFrame = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    versions: z.array(z.int()).check(z.minLength(1), z.maxLength(32)),
    connectionId: uuid,
    sdk: short(128),
    state,
    calls: positions,
    mail: z.optional(mail),
  }),
  z.object({ type: z.literal("state"), id: requestId, state }),
  z.object({
    type: z.literal("call"),
    id: requestId,
    callId: uuid,
    origin: z.optional(uuid),
    n: whole(1, Number.MAX_SAFE_INTEGER),
    ack: count,
    op: operation,
  }),
  z.object({ type: z.literal("ack"), calls: positions, mail: z.optional(mail) }),
  z.object({ type: z.literal("relay"), calls: positions.check(z.minLength(1)) }),
  z.object({
    type: z.literal("send"),
    id: requestId,
    messages: list(outgoing, limits.messagesPerFrame),
    displayName: z.optional(short(serverLimits.displayNameBytes)),
  }),
  z.object({
    type: z.literal("read"),
    id: requestId,
    messages: list(z.object({ from: z.nullable(userId), id: messageId }), limits.readsPerFrame),
  }),
  z.object({ type: z.literal("typing"), to: list(userId, limits.typingRecipients) }),
  z.object({ type: z.literal("iceServers"), id: requestId }),
  z.object({ type: z.literal("presence"), id: requestId, userId }),
  z.object({ type: z.literal("goodbye") }),
]);

export type ParsedFrame =
  | { ok: true; frame: ClientFrame }
  | { ok: false; id: number | null; error: ErrorBody };

/** Reads a frame. Errors: invalidRequest (`detail` names the field), tooLarge; with the frame's id if it has one. */
export function parseFrame(text: string | ArrayBuffer): ParsedFrame {
  if (typeof text !== "string") return bad(null, "invalidRequest", "binary frames are not used");
  // Three bytes a character at most: the exact count is needed only for long texts.
  if (
    text.length > serverLimits.frameBytes ||
    (text.length * 3 > serverLimits.frameBytes && byteLength(text) > serverLimits.frameBytes)
  ) {
    return bad(null, "tooLarge", `a frame is ${serverLimits.frameBytes} bytes at most`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad(null, "invalidRequest", "not JSON");
  }
  const parsed = clientFrame.safeParse(value);
  if (parsed.success) return { ok: true, frame: parsed.data };
  const issue = parsed.error.issues[0];
  return bad(
    idOf(value),
    "invalidRequest",
    `${issue?.path.map(String).join(".") || "frame"}: ${issue?.message ?? ""}`,
  );
}

/** The id of a request that is refused unread. */
export function requestIdIn(text: string | ArrayBuffer): number | null {
  const found = typeof text === "string" ? /"id":(\d{1,15})\b/.exec(text.slice(0, 4_096)) : null;
  return found ? Number(found[1]) : null;
}

function bad(id: number | null, name: ErrorName, detail: string): ParsedFrame {
  return { ok: false, id, error: errorBody(name, { detail }) };
}

function idOf(value: unknown): number | null {
  const id = typeof value === "object" && value !== null && "id" in value ? value.id : null;
  return requestId.safeParse(id).success ? (id as number) : null;
}
