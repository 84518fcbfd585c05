import type { Call } from "@carillon/sdk";
import { useRef } from "preact/hooks";
import type { Conference } from "../../conference/conference";
import { largeAndSmall, tileSize } from "../../conference/layout";
import { featured, type Person, peopleOf } from "../../conference/people";
import type { Desk } from "../../desk";
import { silenceWords } from "../../words";
import { Icon } from "../icon";
import { useRoom } from "./measured";
import { Tile } from "./tile";

interface Props {
  call: Call;
  desk: Desk;
  conference: Conference;
}

/** Everybody who is there. */
export function ConferenceStage({ call, desk, conference }: Props) {
  const grid = useRef<HTMLUListElement>(null);
  const room = useRoom(grid);
  const { participants } = call;
  const people = peopleOf(call, participants);
  const { view } = conference;
  const large = featured(people, view);
  const sizes = large
    ? largeAndSmall(people.length - 1, room)
    : { large: room, small: tileSize(people.length, room) };
  // While it holds the call it sees nobody.
  const shown = (person: Person): Person =>
    call.held && !person.me ? { ...person, picture: "none" } : person;
  const streamOf = (id: string) => participants.find((one) => one.id === id)?.stream;
  const silence = silenceWords(conference.silence);

  return (
    <div class="conference">
      <div class="conference-head">
        <p class="quiet" data-testid="people" data-count={people.length}>
          {people.length === 1 ? "Nobody else is here yet" : `${people.length} are here`}
        </p>
        <p class="speaker" data-testid="active-speaker" data-id={view.speaker}>
          {speakerWords(people)}
        </p>
        <button
          type="button"
          class="plain"
          aria-pressed={view.follows}
          aria-label="Follow who speaks"
          title="Whoever speaks is large"
          data-testid="follow-speaker"
          onClick={() => desk.run(() => conference.follow(!view.follows))}
        >
          <Icon name="follow" />
        </button>
        {document.fullscreenEnabled && (
          <button
            type="button"
            class="plain"
            title="The whole screen"
            aria-label="The whole screen"
            data-testid="fullscreen"
            onClick={() => desk.run(() => wholeScreen(grid.current))}
          >
            <Icon name="fill" />
          </button>
        )}
      </div>
      {silence && (
        <p class="notice" role="status" data-testid="silenced">
          {silence}
        </p>
      )}
      <ul ref={grid} class="tiles" data-testid="stage" aria-label="Participants">
        {people.map((person) => (
          <li key={person.id} class={person === large ? "first" : undefined}>
            <Tile
              person={shown(person)}
              size={person === large ? sizes.large : sizes.small}
              large={person === large}
              pinned={view.pinned === person.id}
              press={() => desk.run(() => conference.pin(person.id))}
              stream={person.me ? call.outgoingStream : streamOf(person.id)}
              seen={person.me ? undefined : (size) => conference.seen(person.id, size)}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}

function speakerWords(people: readonly Person[]): string {
  const names = people.filter(({ speaking }) => speaking).map(({ name }) => name);
  if (names.length > 2) return `${names.length} speak`;
  return names.length > 0 ? `${names.join(" and ")} ${names.length > 1 ? "speak" : "speaks"}` : "\u00a0";
}

async function wholeScreen(element: Element | null): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await element?.requestFullscreen();
}
