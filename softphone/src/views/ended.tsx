import type { Call, CarillonError } from "@carillon/sdk";
import { formatMoney } from "@carillon/sdk/credits";
import type { Desk } from "../desk";
import { kindOfCall } from "../destination";
import { endWords, leftWords, sipWords } from "../words";
import { Code } from "./code";
import { Icon } from "./icon";

function Why({ error }: { error: CarillonError }) {
  if (error.sip)
    return (
      <p class="quiet" data-testid="sip">
        {error.sip.status} {error.sip.reason}
      </p>
    );
  return (
    <>
      <p>{error.message}</p>
      <p>
        <Code text={error.hint} /> <span class="quiet">Error {error.code}</span>
      </p>
    </>
  );
}

/** Why it ended, and what one may want next. */
export function Ended({ call, name, desk }: { call: Call; name: string; desk: Desk }) {
  const { endCause, error, establishedTime, duration, videoOffered, cost } = call.details;
  const talkedMs = establishedTime === undefined ? null : duration * 1_000;
  const there = call.conferenceId !== undefined;
  const words = there
    ? leftWords(endCause, error?.errorName, talkedMs)
    : error?.sip
      ? `${sipWords(error.sip)}.`
      : endWords(endCause, call.direction, name, talkedMs);
  return (
    <div class="outcome">
      <div data-testid="end-cause" data-cause={endCause} data-code={error?.code} role="status">
        <p>{words}</p>
        {cost && cost.amount > 0 && <p data-testid="cost">It cost {formatMoney(cost)}.</p>}
        {error && error.errorName !== "removed" && <Why error={error} />}
      </div>
      <div class="pair">
        <button
          type="button"
          class="primary"
          data-testid="call-again"
          onClick={() => desk.place(call.conferenceId ?? call.remoteUserId, videoOffered, kindOfCall(call))}
        >
          <Icon name={videoOffered ? "video" : "phone"} />
          {there ? "Join again" : call.direction === "incoming" ? "Call back" : "Call again"}
        </button>
        <button type="button" class="soft" data-testid="dismiss" onClick={() => desk.dismiss()}>
          Done
        </button>
      </div>
    </div>
  );
}
