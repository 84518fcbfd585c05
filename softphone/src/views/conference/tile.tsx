import { useEffect, useRef, useState } from "preact/hooks";
import type { Size } from "../../conference/layout";
import { type Mark, markWords, type Person, tileWords } from "../../conference/people";
import { initials } from "../../words";
import { Icon, type IconName } from "../icon";
import { useSeenSize } from "./measured";

const markIcons: Record<Mark, IconName> = { away: "away", held: "hold", muted: "muted", paused: "pause" };

interface Props {
  person: Person;
  size: Size;
  large: boolean;
  pinned: boolean;
  stream: MediaStream | undefined;
  press(): void;
  /** How large it is on the screen; null for not at all. */
  seen?: ((size: Size | null) => void) | undefined;
}

/** One of a conference: the picture, or a face; and what there is to know. Pressed, it is large. */
export function Tile({ person, size, large, pinned, stream, press, seen }: Props) {
  const tile = useRef<HTMLButtonElement>(null);
  useSeenSize(tile, seen, person.id);
  const { picture, marks, line } = person;
  const classes = ["tile", person.speaking && "speaking", marks.includes("away") && "away", large && "large"];
  return (
    <button
      ref={tile}
      type="button"
      class={classes.filter(Boolean).join(" ")}
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      aria-label={tileWords(person)}
      aria-pressed={pinned}
      title={pinned ? `${person.name}: as small as the others` : `${person.name}: large`}
      data-testid="tile"
      data-id={person.id}
      data-name={person.name}
      data-line={line}
      data-speaking={person.speaking}
      data-marks={marks.join(" ")}
      data-large={large}
      onClick={press}
    >
      <span class="face" aria-hidden="true">
        {line ? <Icon name="phone" /> : initials(person.name)}
      </span>
      {picture !== "none" && stream && (
        <Picture stream={stream} kind={person.me ? "mirrored" : picture === "screen" ? "whole" : ""} />
      )}
      <span class="tile-name">
        {line && <Icon name="phone" />}
        <span class="tile-text">{person.name}</span>
      </span>
      {marks.length > 0 && (
        <span class="tile-marks">
          {marks.map((mark) => (
            <span key={mark} class="tile-mark" title={markWords[mark]}>
              <Icon name={markIcons[mark]} />
            </span>
          ))}
        </span>
      )}
    </button>
  );
}

/** Somebody's video. Until its first frame is there, the face is seen. */
function Picture({ stream, kind }: { stream: MediaStream; kind: "" | "mirrored" | "whole" }) {
  const video = useRef<HTMLVideoElement>(null);
  const [live, setLive] = useState(false);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  return (
    <video
      ref={video}
      class={live ? `picture live ${kind}` : `picture ${kind}`}
      autoplay
      playsInline
      // Heard through the SDK's audio controller.
      muted
      data-testid="picture"
      onResize={({ currentTarget }) => setLive(currentTarget.videoWidth > 0)}
    />
  );
}
