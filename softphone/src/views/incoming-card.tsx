import type { Call } from "@carillon/sdk";
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "../desk";
import { initials, nameOf } from "../words";
import { Icon } from "./icon";

export function IncomingCard({ call, desk }: { call: Call; desk: Desk }) {
  const card = useRef<HTMLElement>(null);

  // The focus comes to the card, not to a button: a key meant for a field must not answer. Then back.
  useEffect(() => {
    const before = document.activeElement;
    card.current?.focus();
    return () => {
      const lost = document.activeElement === document.body || card.current?.contains(document.activeElement);
      if (lost && before instanceof HTMLElement) before.focus();
    };
  }, []);

  const name = nameOf(call);
  const video = call.details.videoOffered;
  const conference = call.conferenceId !== undefined;
  const inviter = call.remoteDisplayName;
  const invitation = inviter ? `${inviter} invites you to this conference` : "Invitation to a conference";
  return (
    <section
      ref={card}
      class="card incoming"
      data-testid="incoming"
      data-call-id={call.callId}
      data-conference={call.conferenceId}
      role="alertdialog"
      aria-labelledby={`from-${call.callId}`}
      aria-describedby={`kind-${call.callId}`}
      tabIndex={-1}
    >
      <div class="face ringing" aria-hidden="true">
        {conference ? <Icon name="people" /> : initials(name)}
      </div>
      <h2 id={`from-${call.callId}`} data-testid="incoming-from">
        {name}
      </h2>
      <p id={`kind-${call.callId}`}>
        {conference ? invitation : video ? "Incoming video call" : "Incoming call"}
      </p>
      <div class="answers">
        <button
          type="button"
          class="danger"
          data-testid="decline"
          onClick={() => desk.run(() => call.hangup())}
        >
          <Icon name="hangup" />
          Decline
        </button>
        <button
          type="button"
          class={video ? "soft" : "primary"}
          data-testid="answer"
          onClick={() => desk.answer(call, false)}
        >
          <Icon name="phone" />
          {`${conference ? "Join" : "Answer"}${video ? " with voice" : ""}`}
        </button>
        <button
          type="button"
          class={video ? "primary" : "soft"}
          data-testid="answer-video"
          onClick={() => desk.answer(call, true)}
        >
          <Icon name="video" />
          {conference ? "Join with video" : "Answer with video"}
        </button>
      </div>
    </section>
  );
}
