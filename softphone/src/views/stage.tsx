import type { Call, CarillonClient } from "@carillon/sdk";
import { useMemo, useRef, useState } from "preact/hooks";
import { initials } from "../words";
import { Icon } from "./icon";
import { Mount } from "./mount";

/** The pictures of a call; where there are none, a face and what the other side does. */
export function Stage({ call, client, name }: { call: Call; client: CarillonClient; name: string }) {
  const { videoController } = client;
  const remote = useMemo(() => videoController.remoteView(call), [call, videoController]);
  const local = useMemo(() => videoController.localView(call), [call, videoController]);
  const [filled, setFilled] = useState(false);
  const stage = useRef<HTMLDivElement>(null);

  const { muted, held, video } = call.remoteMedia;
  const connected = call.state === "established";
  const seen = connected && (video === "on" || video === "screen") && !held && !call.held;
  const sending = call.video !== "off";
  const marks = [
    muted && `${name} is muted`,
    held && `${name} holds the call`,
    video === "paused" && `${name} paused the video`,
    video === "screen" && `${name} shares the screen`,
    call.muted && "You are muted",
  ].filter((mark) => mark !== false);

  const scale = () => {
    videoController.setScaling(filled ? "aspectFit" : "aspectFill");
    setFilled(!filled);
  };

  return (
    <div ref={stage} class={seen || sending ? "stage pictures" : "stage"} data-testid="stage">
      {seen ? (
        <Mount element={remote} name="remote" testid="remote-video" />
      ) : (
        <div class={connected ? "face" : "face ringing"} aria-hidden="true">
          {call.line === "phone" ? <Icon name="phone" /> : initials(name)}
        </div>
      )}
      {sending && (
        <Mount
          element={local}
          name={call.video === "screen" ? "local" : "local mirrored"}
          testid="local-video"
        />
      )}
      {connected && marks.length > 0 && (
        <ul class="marks" data-testid="marks" aria-live="polite">
          {marks.map((mark) => (
            <li key={mark}>{mark}</li>
          ))}
        </ul>
      )}
      {seen && (
        <button
          type="button"
          class="plain scale"
          aria-pressed={filled}
          aria-label="Fill the frame"
          title="Fill the frame"
          onClick={scale}
        >
          <Icon name="fill" />
        </button>
      )}
    </div>
  );
}
