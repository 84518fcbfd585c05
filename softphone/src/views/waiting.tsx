import type { Desk } from "../desk";
import { nameOf } from "../words";

/** The other live calls, which are on hold: one press brings one to the foreground. */
export function Waiting({ desk }: { desk: Desk }) {
  if (desk.waiting.length === 0) return null;
  return (
    <ul class="people" aria-label="Other calls" data-testid="waiting">
      {desk.waiting.map((call) => (
        <li key={call.callId}>
          <button type="button" class="chip held" onClick={() => desk.show(call)}>
            {nameOf(call)} · on hold · switch
          </button>
        </li>
      ))}
    </ul>
  );
}
