import type { Call } from "@carillon/sdk";
import { costSoFar, formatMoney } from "@carillon/sdk/credits";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Desk } from "../desk";
import type { Phone, Session } from "../phone";
import { nameOf, rateWords, stateLine } from "../words";
import { Invitations, Invite } from "./conference/invite";
import { ConferenceStage } from "./conference/stage";
import { Controls } from "./controls";
import { Devices } from "./devices";
import { Ended } from "./ended";
import { Keypad } from "./keypad";
import { Quality } from "./quality";
import { Stage } from "./stage";
import { isWide } from "./wide";

export type Drawer = "keypad" | "devices" | "invite" | undefined;

/** What a call does, in a line. */
export function callLine(call: Call, desk: Desk, offline: boolean): string {
  const { establishedTime, duration } = call.details;
  return stateLine({
    state: call.state,
    direction: call.direction,
    line: call.line,
    conference: call.conferenceId !== undefined,
    connectedMs: establishedTime === undefined ? 0 : duration * 1_000,
    held: call.held,
    remoteHeld: call.remoteMedia.held,
    interrupted: desk.interrupted.has(call),
    offline,
    name: nameOf(call),
  });
}

/** What it costs until now, and by the minute. */
function Price({ call }: { call: Call }) {
  const { rate } = call.details;
  if (!rate) return null;
  const soFar = costSoFar(call);
  return (
    <p class="price" data-testid="price" data-amount={soFar?.amount}>
      {soFar && <strong>{formatMoney(soFar)}</strong>} <span class="quiet">{rateWords(rate)}</span>
    </p>
  );
}

/** The call in the foreground, from its first moment until it is put away. */
export function CallPanel({ call, phone, session }: { call: Call; phone: Phone; session: Session }) {
  const [drawer, setDrawer] = useState<Drawer>();
  const { desk, client } = session;
  const name = nameOf(call);
  const conference = desk.conferences.get(call);
  const ended = call.state === "ended";
  /** In a conference, and no more on the way into it. */
  const inside = call.state === "established" ? conference : undefined;
  const line = callLine(call, desk, !phone.online);

  // A conversation would cover it.
  useEffect(() => {
    if (!ended && !isWide()) session.post.leave();
  }, []);

  // Where the button that was pressed has gone, the keyboard goes on from here.
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) panel.current?.focus();
  }, [ended]);

  return (
    <section
      ref={panel}
      tabIndex={-1}
      class={`card call ${call.state}`}
      aria-label={call.conferenceId === undefined ? `Call with ${name}` : `Conference ${name}`}
      data-call-id={call.callId}
    >
      {!ended && !inside && <Stage call={call} client={client} name={name} />}
      <div class="who">
        <h2 data-testid="remote-name">{name}</h2>
        <p class="state" data-testid="call-state" data-state={call.state}>
          {line}
        </p>
        {/* The clock is not read out every second: this says the state only. */}
        <p class="unseen" aria-live="polite">
          {line.replace(/\s*[\d:]+/, "")}
        </p>
      </div>
      {inside && <ConferenceStage call={call} desk={desk} conference={inside} />}
      {inside && <Invitations desk={desk} conference={inside} />}
      {!ended && <Price call={call} />}
      {ended ? (
        <Ended call={call} name={name} desk={desk} />
      ) : (
        <>
          {call.state === "established" && !(conference && !call.getQuality()) && <Quality call={call} />}
          <Controls call={call} desk={desk} drawer={drawer} setDrawer={setDrawer} />
          {drawer === "keypad" && <Keypad call={call} desk={desk} />}
          {drawer === "invite" && inside && (
            <Invite desk={desk} conference={inside} video={call.video !== "off"} />
          )}
          {drawer === "devices" && <Devices client={client} call={call} desk={desk} />}
        </>
      )}
    </section>
  );
}
