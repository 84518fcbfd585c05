/**
 * The dialog of a call, which can be written down and taken up again.
 *
 * sip.js makes a dialog out of the client transaction of its INVITE, whose request it needs for the
 * CSeq of the ACK and for little else. So the one that is taken up again gets such a transaction, made
 * from what was written down, whose INVITE does not leave; from there on it is an ordinary one. The
 * first one goes the same way: there is one way for both.
 */
import type { DialogState } from "sip.js/lib/core/dialogs/dialog-state.js";
import { SessionDialog } from "sip.js/lib/core/dialogs/session-dialog.js";
import type { IncomingRequestMessage } from "sip.js/lib/core/messages/incoming-request-message.js";
import { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type { Session } from "sip.js/lib/core/session/session.js";
import { InviteClientTransaction } from "sip.js/lib/core/transactions/invite-client-transaction.js";
import type { UserAgentCore } from "sip.js/lib/core/user-agent-core/user-agent-core.js";
import { parseUri } from "./words";

/** A dialog (RFC 3261, 12) as a plain value. */
export interface StoredDialog {
  callId: string;
  localTag: string;
  remoteTag: string;
  localSeq: number;
  remoteSeq?: number;
  localUri: string;
  remoteUri: string;
  remoteTarget: string;
  routeSet: string[];
  /** The CSeq of the INVITE that made it, and of its ACK. */
  inviteSeq: number;
}

export class CallDialog extends SessionDialog {
  readonly #inviteSeq: number;

  /** Of an answered INVITE; `session` is sip.js's own dialog, whose place this one takes. */
  static of(
    core: UserAgentCore,
    invite: InviteClientTransaction,
    session: Session & { routeSet?: string[] },
  ): CallDialog {
    const { cseq } = invite.request;
    const state: DialogState = {
      ...{ id: session.id, callId: session.callId, early: false, secure: false },
      ...{ localTag: session.localTag, remoteTag: session.remoteTag },
      ...{ localSequenceNumber: cseq, remoteSequenceNumber: undefined },
      ...{ localURI: session.localURI, remoteURI: session.remoteURI, remoteTarget: session.remoteTarget },
      routeSet: session.routeSet ?? [],
    };
    session.dispose();
    return new CallDialog(invite, core, state, cseq);
  }

  /** Of what was written down; undefined where that makes no dialog. */
  static from(core: UserAgentCore, stored: StoredDialog): CallDialog | undefined {
    const [localURI, remoteURI] = [parseUri(stored.localUri), parseUri(stored.remoteUri)];
    const remoteTarget = parseUri(stored.remoteTarget);
    if (!localURI || !remoteURI || !remoteTarget) return undefined;
    const { callId, localTag, remoteTag, localSeq, remoteSeq, routeSet, inviteSeq } = stored;
    const state: DialogState = {
      ...{ id: callId + localTag + remoteTag, callId, early: false, secure: false },
      ...{ localTag, remoteTag, localSequenceNumber: localSeq, remoteSequenceNumber: remoteSeq },
      ...{ localURI, remoteURI, remoteTarget, routeSet },
    };
    const options = { callId, fromTag: localTag, cseq: inviteSeq };
    const request = core.makeOutgoingRequestMessage("INVITE", remoteURI, localURI, remoteURI, options);
    let silent = true;
    const { transport } = core;
    const invite = new InviteClientTransaction(
      request,
      { protocol: transport.protocol, send: async (text) => (silent ? undefined : transport.send(text)) },
      { loggerFactory: core.loggerFactory },
    );
    silent = false;
    // It waits for no answer any more.
    invite.dispose();
    return new CallDialog(invite, core, state, inviteSeq);
  }

  private constructor(
    invite: InviteClientTransaction,
    core: UserAgentCore,
    state: DialogState,
    inviteSeq: number,
  ) {
    super(invite, core, state);
    this.#inviteSeq = inviteSeq;
    // An offer and its answer have been exchanged.
    if (this.signalingState === "HaveLocalOffer") this.signalingStateTransition(answered());
  }

  /** Whether it can be written down and taken up again: sip.js throws for an address that it has read itself. */
  get isWritable(): boolean {
    try {
      const { localUri, remoteUri, remoteTarget } = this.stored();
      return [localUri, remoteUri, remoteTarget].every((uri) => parseUri(uri) !== undefined);
    } catch {
      return false;
    }
  }

  stored(): StoredDialog {
    return {
      ...{ callId: this.callId, localTag: this.localTag, remoteTag: this.remoteTag },
      ...{ localSeq: this.localSequenceNumber ?? this.#inviteSeq, remoteSeq: this.remoteSequenceNumber },
      ...{ localUri: String(this.localURI), remoteUri: String(this.remoteURI) },
      ...{
        remoteTarget: this.remoteTarget.toRaw(),
        routeSet: [...this.routeSet],
        inviteSeq: this.#inviteSeq,
      },
    };
  }

  /** Whether a request that sip.js does not know is in order; one that is not, is answered. */
  takes(request: IncomingRequestMessage): boolean {
    if (!this.sequenceGuard(request)) return false;
    this.dialogState.remoteSequenceNumber = request.cseq;
    return true;
  }

  /** A challenge makes sip.js send some requests again with a CSeq that it does not write down. */
  hasSent(cseq: number): void {
    while ((this.localSequenceNumber ?? cseq) < cseq) this.incrementLocalSequenceNumber();
  }
}

function answered(): IncomingResponseMessage {
  const message = new IncomingResponseMessage();
  message.body = "v=0";
  message.setHeader("content-type", "application/sdp");
  message.setHeader("content-disposition", "session");
  return message;
}
