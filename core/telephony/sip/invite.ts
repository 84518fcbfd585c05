/** The INVITE that makes a call, until it is answered, refused or cancelled. */
import type { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type { OutgoingInviteRequest } from "sip.js/lib/core/messages/methods/invite.js";
import type { OutgoingRequestMessage } from "sip.js/lib/core/messages/outgoing-request-message.js";
import { InviteClientTransaction } from "sip.js/lib/core/transactions/invite-client-transaction.js";
import { InviteUserAgentClient } from "sip.js/lib/core/user-agents/invite-user-agent-client.js";
import type { URI } from "sip.js/lib/grammar/uri.js";
import { CallDialog } from "./call-dialog";
import { allowed, type UserAgent } from "./user-agent";
import { parseUri } from "./words";

/** What a CANCEL needs to know of an INVITE: it has to fit it exactly (RFC 3261, 9.1). */
export interface StoredInvite {
  callId: string;
  fromTag: string;
  seq: number;
  branch: string;
  viaHost: string;
  target: string;
  from: string;
}

export interface NewInvite {
  target: URI;
  from: URI;
  callId: string;
  fromTag: string;
  seq: number;
  offer: string;
  headers: string[];
}

export interface InviteEvents {
  /** Any provisional answer. */
  progress(response: IncomingResponseMessage): void;
  /** Not acknowledged yet: that has to be done at once, after it was stored. */
  answered(dialog: CallDialog, response: IncomingResponseMessage): void;
  /** `silent`: nobody has answered, and sip.js gave up. */
  refused(response: IncomingResponseMessage, silent: boolean): void;
  /** The CANCEL was heard: a final answer follows. */
  canceled?(): void;
}

export class Invite {
  readonly request: OutgoingRequestMessage;
  readonly #agent: UserAgent;
  #events: InviteEvents;
  #client: OutgoingInviteRequest | null = null;
  #canceled: "wanted" | "sent" | null = null;
  /** There was a provisional answer to what was sent last. */
  #proceeding = false;
  #dialog: CallDialog | null = null;

  constructor(agent: UserAgent, what: NewInvite, events: InviteEvents) {
    this.#agent = agent;
    this.#events = events;
    const { callId, fromTag, seq, offer, target, from } = what;
    this.request = agent.core.makeOutgoingRequestMessage(
      "INVITE",
      target,
      from,
      target,
      { callId, fromTag, cseq: seq },
      [agent.contactHeader, `Allow: ${allowed}`, "Accept: application/sdp", ...what.headers],
      { contentDisposition: "session", contentType: "application/sdp", content: offer },
    );
  }

  send(): void {
    this.#agent.watch = (response) => this.#watch(response);
    this.#agent.isGivenUp = (response) => this.#canceled !== null && this.#isMine(response);
    this.#client = this.#agent.core.invite(this.request, {
      onAccept: ({ message, session }) => {
        const transaction =
          this.#client instanceof InviteUserAgentClient ? this.#client.transaction : undefined;
        if (!(transaction instanceof InviteClientTransaction)) return;
        const dialog = CallDialog.of(this.#agent.core, transaction, session);
        // Nothing can be sent to such a one, not even an ACK.
        if (!dialog.isWritable) return;
        if (!this.#dialog) {
          this.#dialog = dialog;
          this.#events.answered(dialog, message);
        } else {
          // Another branch of a fork has answered, too.
          dialog.ack();
          dialog.bye();
        }
      },
      onRedirect: ({ message }) => this.#events.refused(message, false),
      // Made by sip.js itself, an answer has no text.
      onReject: ({ message }) => this.#events.refused(message, !message.data),
    });
  }

  /** As soon as it may be: a CANCEL that comes before its INVITE was heard of fits nothing. */
  cancel(): void {
    if (this.#canceled || this.#dialog) return;
    this.#canceled = "wanted";
    if (this.#proceeding) this.#sendCancel();
  }

  /** Another one has its turn: whatever comes of this one is ended. `done`: nothing comes any more. */
  giveUp(done: () => void): void {
    this.#events = {
      progress: () => {},
      answered: (dialog) => {
        dialog.ack();
        dialog.bye({ onAccept: done, onReject: done, onRedirect: done });
      },
      refused: done,
    };
    this.cancel();
  }

  get proceeding(): boolean {
    return this.#proceeding;
  }

  stored(): StoredInvite {
    const { callId, fromTag, cseq, branch = "", ruri, from } = this.request;
    const { viaHost } = this.#agent;
    return { callId, fromTag, seq: cseq, branch, viaHost, target: ruri.toRaw(), from: String(from.uri) };
  }

  #isMine({ method, viaBranch }: IncomingResponseMessage): boolean {
    return method === "INVITE" && viaBranch === this.request.branch;
  }

  /** sip.js passes over provisional answers without a tag or a Contact: gateways send them. */
  #watch(response: IncomingResponseMessage): void {
    const status = response.statusCode ?? 0;
    if (response.method === "CANCEL" && response.viaBranch === this.request.branch) this.#events.canceled?.();
    if (!this.#isMine(response) || this.#dialog) return;
    this.#proceeding = status < 200;
    // sip.js passes over one that makes no dialog: nobody could be talked to.
    const isAnswer = status >= 200 && status < 300;
    if (isAnswer) queueMicrotask(() => !this.#dialog && this.#events.refused(response, false));
    if (!this.#proceeding) return;
    this.#events.progress(response);
    // When sip.js has heard of it as well.
    if (this.#canceled === "wanted") queueMicrotask(() => this.#proceeding && this.#sendCancel());
  }

  #sendCancel(): void {
    if (this.#canceled !== "wanted") return;
    this.#canceled = "sent";
    this.#client?.cancel();
  }
}

/** Cancels an INVITE that another connection has sent. Resolves when it was answered. */
export function cancelStored(agent: UserAgent, { target, from, ...invite }: StoredInvite): Promise<void> {
  const [targetUri, fromUri] = [parseUri(target), parseUri(from)];
  if (!targetUri || !fromUri) return Promise.resolve();
  const { callId, fromTag, seq, branch, viaHost } = invite;
  const options = { callId, fromTag, cseq: seq, viaHost };
  const request = agent.core.makeOutgoingRequestMessage("CANCEL", targetUri, fromUri, targetUri, options);
  request.branch = branch;
  return new Promise((resolve) => {
    const done = () => resolve();
    agent.core.request(request, { onAccept: done, onReject: done, onRedirect: done });
  });
}
