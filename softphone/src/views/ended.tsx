import type { Call } from "@carillon/sdk";
import type { Desk } from "../desk";
import { endWords } from "../words";
import { Code } from "./code";
import { Icon } from "./icon";

/** Why it ended, and what one may want next. */
export function Ended({ call, name, desk }: { call: Call; name: string; desk: Desk }) {
  const { endCause, error, establishedTime, duration, videoOffered } = call.details;
  const talkedMs = establishedTime === undefined ? null : duration * 1_000;
  return (
    <div class="outcome">
      <div data-testid="end-cause" data-cause={endCause} data-code={error?.code} role="status">
        <p>{endWords(endCause, call.direction, name, talkedMs)}</p>
        {error && (
          <>
            <p>{error.message}</p>
            <p>
              <Code text={error.hint} /> <span class="quiet">Error {error.code}</span>
            </p>
          </>
        )}
      </div>
      <div class="pair">
        <button
          type="button"
          class="primary"
          data-testid="call-again"
          onClick={() => desk.place(call.remoteUserId, videoOffered)}
        >
          <Icon name={videoOffered ? "video" : "phone"} />
          {call.direction === "incoming" ? "Call back" : "Call again"}
        </button>
        <button type="button" class="soft" data-testid="dismiss" onClick={() => desk.dismiss()}>
          Done
        </button>
      </div>
    </div>
  );
}
