import { Lanes } from "../../core/lanes";
import { log } from "../../core/log";
import type { Outbox } from "../../core/messages/outbox";
import {
  type ErrorBody,
  errorBody,
  fail,
  limits,
  type Message,
  messageProblem,
  type OutgoingMessage,
  ok,
  type PushPair,
  type SendFailure,
  type SendOutcome,
  serverLimits,
  timeOfMessageId,
} from "../../protocol";
import type { Env } from "../env";
import { userHub } from "../names";
import { TokenBucket } from "./rate";
import type { Copy, Receipt, Take, Taken, UserAddress } from "./rpc";

interface Surroundings {
  env: Env;
  outbox: Outbox;
  now: () => number;
  /** Copies for this hub's own user. */
  takeHere: (take: Take) => Promise<Taken>;
  /** Let the alarm ring then, or before. */
  wake: (time: number) => Promise<void>;
}

interface Letter {
  copy: Copy;
  from: UserAddress;
  reference: string;
}

/** What was done with a message, and whether it had been taken before. */
export interface Dispatched {
  message: Message;
  outcome: SendOutcome;
  repeated: boolean;
}

const attempts = 3;

/** Sends a user's messages to the hubs of their recipients: what comes together goes together, in order. */
export class Dispatch {
  readonly #rate: TokenBucket;
  readonly #lanes = new Lanes<Letter, Taken[number]>(
    (recipient, letters) => this.#carry(recipient, letters),
    {
      count: limits.messagesPerFrame,
      size: 400_000,
      sizeOf: ({ copy: { text, to } }) => 1_500 + text.length + to.length * 20,
    },
  );

  #retired = false;

  constructor(private readonly hub: Surroundings) {
    const { MESSAGES_PER_SECOND, MESSAGES_BURST } = hub.env;
    this.#rate = new TokenBucket(
      Number(MESSAGES_PER_SECOND) || serverLimits.messagesPerSecond,
      Number(MESSAGES_BURST) || serverLimits.messagesBurst,
    );
  }

  /** Answers when each message is stored for its recipients, or refused. */
  send(
    from: UserAddress,
    messages: readonly OutgoingMessage[],
    displayName: string | undefined,
    reference: string,
  ): Promise<Dispatched[]> {
    const now = this.hub.now();
    let stop: ErrorBody | null = null;
    return Promise.all(
      messages.map(async ({ id, to: recipients, text, headers }) => {
        const to = [...new Set(recipients)];
        const message = { id, from: from.userId || null, to, text, headers, time: now };
        const wrong = messageProblem(message);
        const problem = wrong ? errorBody(wrong.name, { detail: wrong.detail }) : problemOfAge(id, now);
        // What follows a message that is too much is too much as well, so that the order stays.
        if (!problem) stop ??= this.#tooMuch(to.length, now);
        const error = problem ?? stop;
        if (error) return { message, repeated: false, outcome: { id, failed: [], error } };
        const copy: Copy = { ...message, ...(displayName && { displayName }) };
        const taken = await Promise.all(
          to.map((recipient) => this.#lanes.push(recipient, { copy, from, reference })),
        );
        return summary(message, taken);
      }),
    );
  }

  /** The user is gone: what is under way is not stored any more. */
  retire(): void {
    this.#retired = true;
  }

  /** Tries again what waits in the outbox, and tells what came to nothing in the turn that forgets it. */
  async retry(from: UserAddress, reference: string, tell: (failed: Receipt[]) => void): Promise<void> {
    const { outbox, now } = this.hub;
    tell(
      outbox.expire(now()).map(({ recipient, message }) => ({
        note: "failed",
        id: message.id,
        to: recipient,
        error: errorBody("expired"),
      })),
    );
    await Promise.all(
      outbox.due(now()).map(async (recipient) => {
        for (;;) {
          const messages = outbox.first(recipient, limits.messagesPerFrame);
          if (messages.length === 0) return;
          const taken = await this.#take(from, recipient, { messages, reference });
          if (this.#retired) return;
          // A message that was accepted is not given up because there is no room just now.
          const stuck = taken ? noRoomAt(taken) : 0;
          const settled = messages.slice(0, stuck < 0 ? messages.length : stuck);
          outbox.done(recipient, settled.length);
          tell(
            settled.flatMap(({ id }, at): Receipt[] => {
              const result = taken?.[at];
              return result && !result.ok ? [{ note: "failed", id, to: recipient, error: result.error }] : [];
            }),
          );
          if (stuck >= 0) return outbox.failed(recipient, now());
        }
      }),
    );
  }

  async #carry(recipient: string, letters: Letter[]): Promise<Taken> {
    const { outbox, now, wake } = this.hub;
    const messages = letters.map(({ copy }) => copy);
    const [first] = letters;
    if (!first) return [];
    try {
      const { from, reference } = first;
      const behind = outbox.has(recipient);
      const taken = behind ? undefined : await this.#take(from, recipient, { messages, reference });
      const stuck = taken ? noRoomAt(taken) : 0;
      if (taken && stuck < 0) return taken;
      if (this.#retired) return messages.map(() => fail("unavailable"));
      const settled = taken?.slice(0, stuck) ?? [];
      const stored = outbox.add(recipient, messages.slice(settled.length), now());
      const { next } = outbox;
      if (next !== null) await wake(next);
      return [...settled, ...stored];
    } catch (error) {
      log("error", "dispatch.failed", { reference: first.reference, error: String(error) });
      return messages.map(() => fail("unavailable"));
    }
  }

  /** Undefined when the hub did not answer: a deploy or a crash fails what was under way. Repeating does no harm. */
  async #take(
    { applicationKey, userId }: UserAddress,
    recipient: string,
    take: Take,
  ): Promise<Taken | undefined> {
    if (recipient === userId) return this.hub.takeHere(take);
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      try {
        const hub = userHub(this.hub.env, { applicationKey, userId: recipient });
        const taken = await hub.take(take);
        // An attempt that failed may have been carried out: nobody has been told of it yet.
        return attempt === 1
          ? taken
          : taken.map((one) => (one.ok ? ok({ ...one.value, repeated: undefined }) : one));
      } catch (error) {
        log("warn", "take.failed", { reference: take.reference, attempt, error: String(error) });
      }
    }
    return undefined;
  }

  #tooMuch(copies: number, now: number): ErrorBody | null {
    const wait = this.#rate.take(now, copies);
    return wait > 0 ? errorBody("rateLimited", { detail: "too many messages", retryAfter: wait }) : null;
  }
}

/** The first message that the recipient's hub has no room for just now; -1 for none. What follows it waits behind it. */
function noRoomAt(taken: Taken): number {
  return taken.findIndex((one) => !one.ok && one.error.name === "unavailable");
}

function problemOfAge(id: string, now: number): ErrorBody | null {
  const made = timeOfMessageId(id);
  if (made < now - serverLimits.messageIdHours * 3_600_000) return errorBody("expired");
  return made > now + serverLimits.messageIdAheadSeconds * 1_000
    ? errorBody("invalidValue", { detail: "id: made in the future, so the clock is wrong" })
    : null;
}

function summary(message: Message, taken: Taken): Dispatched {
  const { id, to } = message;
  const failed: SendFailure[] = [];
  let time: number | undefined;
  let repeated = true;
  const pairs: PushPair[] = [];
  let headersOmitted: true | undefined;
  to.forEach((recipient, at) => {
    const result = taken[at];
    if (!result?.ok) {
      failed.push({ to: recipient, error: result?.error ?? errorBody("unavailable") });
    } else {
      time = Math.min(time ?? result.value.time, result.value.time);
      repeated &&= result.value.repeated === true;
      pairs.push(...(result.value.pushPairs ?? []));
      headersOmitted ??= result.value.headersOmitted;
    }
  });
  if (time !== undefined) {
    const pushPairs = pairs.slice(0, serverLimits.pushPairs);
    const pushed = { ...(pairs.length > 0 && { pushPairs }), ...(headersOmitted && { headersOmitted }) };
    return { message: { ...message, time }, repeated, outcome: { id, time, failed, ...pushed } };
  }
  // Worth another try when one of them is.
  const error = failed.find(({ error: { name } }) => name === "unavailable")?.error ?? failed[0]?.error;
  return { message, repeated: false, outcome: { id, failed, ...(error && { error }) } };
}
