import type { Desk } from "../../desk";
import type { Post } from "../../messages/post";
import { toggles } from "../../perform";
import { nameOf } from "../../words";
import { callLine } from "../call-panel";
import { Icon } from "../icon";

interface Props {
  desk: Desk;
  post: Post;
  offline: boolean;
}

/** The call that goes on, where the conversation covers it: on a narrow page. */
export function CallBar({ desk, post, offline }: Props) {
  const call = desk.shown;
  if (!call || call.state === "ended" || desk.ringing.includes(call)) return null;
  const name = nameOf(call);
  return (
    <fieldset class="call-bar" aria-label={`Call with ${name}`} data-testid="call-bar">
      <button
        type="button"
        class="back-to-call"
        data-testid="back-to-call"
        title="Back to the call"
        onClick={() => post.leave()}
      >
        <strong>{name}</strong> <span>{callLine(call, desk, offline)}</span>
      </button>
      {call.state === "established" && (
        <button
          type="button"
          class={call.muted ? "plain on" : "plain"}
          aria-label={call.muted ? "Unmute" : "Mute"}
          title={call.muted ? "Unmute" : "Mute"}
          onClick={() => toggles.mute(desk, call)}
        >
          <Icon name={call.muted ? "muted" : "microphone"} />
        </button>
      )}
      <button
        type="button"
        class="plain danger"
        aria-label="Hang up"
        title="Hang up"
        data-testid="bar-hangup"
        onClick={() => toggles.hangup(desk, call)}
      >
        <Icon name="hangup" />
      </button>
    </fieldset>
  );
}
