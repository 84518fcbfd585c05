/** `/v1/messages`: the application sends messages, and reads its users' history. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { archiveFor } from "../../core/db/database";
import { findMessages, listConversation, listUserMessages } from "../../core/messages/archive-read";
import { newMessageId } from "../../core/messages/message-id";
import { userHub } from "../../durable-objects/names";
import {
  type ErrorBody,
  errorBody,
  isMessageId,
  limits,
  messageProblem,
  type OutgoingMessage,
  type SendOutcome,
} from "../../protocol";
import { bringUpToDate } from "../archive";
import type { EdgeEnv } from "../context";
import { parseBody, parseQuery, parseValue, refuse, refuseWith } from "../respond";
import { displayName, historyPage, participant, userId } from "../schemas";

/** Its form only: the rules about values are those of the socket. */
const outgoing = z.object({
  sender: z.nullish(userId),
  recipients: z.array(z.string()),
  text: z.string(),
  headers: z._default(z.record(z.string(), z.string()), {}),
  messageId: z.optional(z.string()),
  /** What pushes call the sender. */
  displayName: z.optional(displayName),
});

const page = z.object({
  userId: z.optional(userId),
  participants: z.array(participant).check(z.maxLength(limits.recipients + 1)),
  ...historyPage,
});
const one = z.object({ sender: z.optional(participant) });

export const messages = new Hono<EdgeEnv>()
  .post("/", async (context) => {
    const { env } = context;
    const { application, reference } = context.var;
    const body = parseBody(context, outgoing);
    if (!body.ok) return refuse(context, body.error);
    const { sender, recipients: to, text, headers, displayName } = body.value;
    const id = body.value.messageId ?? newMessageId(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
    const message: OutgoingMessage = { id, to, text, headers };
    const problem = messageProblem(message);
    if (problem) return refuse(context, inWordsOfRest(errorBody(problem.name, { detail: problem.detail })));
    const user = { applicationKey: application.key, userId: sender ?? "" };
    const sent = await userHub(env, user).send({ user, messages: [message], displayName, reference });
    if (!sent.ok) return refuse(context, { detail: "the sender is blocked", ...sent.error });
    const { time, failed, error, ...pushed }: Omit<SendOutcome, "id"> = sent.value[0] ?? { failed: [] };
    if (time === undefined) return refuse(context, inWordsOfRest(error ?? errorBody("internal")));
    return context.json(
      {
        messageId: id,
        time,
        failed: failed.map((one) => ({ recipient: one.to, error: one.error })),
        pushPairs: pushed.pushPairs,
        headersOmitted: pushed.headersOmitted,
      },
      201,
    );
  })
  .get("/", async (context) => {
    const { env } = context;
    const { key } = context.var.application;
    const query = parseValue(page, {
      ...context.req.query(),
      participants: context.req.queries("participants") ?? [],
    });
    if (!query.ok) return refuse(context, query.error);
    const { userId, participants, ...pageRequest } = query.value;
    if ((userId === undefined) === (participants.length === 0)) {
      return refuseWith(context, "invalidRequest", { detail: "userId: give userId or participants" });
    }
    if (pageRequest.before === undefined) {
      await bringUpToDate(env, key, userId === undefined ? participants : [userId], context.var.reference);
    }
    const archive = archiveFor(env, key);
    const found =
      userId === undefined
        ? await listConversation(archive, key, { participants }, pageRequest, Date.now())
        : await listUserMessages(archive, key, userId, pageRequest, Date.now());
    return found.ok ? context.json(found.value) : refuse(context, found.error);
  })
  .get("/:messageId", async (context) => {
    const { key } = context.var.application;
    const query = parseQuery(context, one);
    if (!query.ok) return refuse(context, query.error);
    const id = context.req.param("messageId");
    const { sender } = query.value;
    const found = isMessageId(id)
      ? await findMessages(archiveFor(context.env, key), key, { id, sender }, Date.now())
      : [];
    const [message, another] = found;
    if (!message) return refuseWith(context, "notFound");
    if (another && another.from !== message.from) {
      return refuseWith(context, "conflict", { detail: "Several senders used this id: give `sender`." });
    }
    return context.json(message);
  });

/** The fields have other names here than on the socket. */
function inWordsOfRest(error: ErrorBody): ErrorBody {
  const detail = error.detail?.replace(/^to:/, "recipients:").replace(/^id:/, "messageId:");
  return { ...error, detail };
}
