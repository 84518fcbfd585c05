/** Everybody in a conference, this person too, as they are shown. */
import type { Call, Participant } from "@carillon/sdk";
import type { Size } from "./layout";

export interface Person {
  id: string;
  name: string;
  me: boolean;
  line: "phone" | "sip" | undefined;
  speaking: boolean;
  /** A screen is to be seen whole. */
  picture: "none" | "camera" | "screen";
  /** What others have to know, most important first. */
  marks: Mark[];
}

export type Mark = "away" | "held" | "muted" | "paused";

export const markWords: Record<Mark, string> = {
  away: "connection lost",
  held: "on hold",
  muted: "muted",
  paused: "video paused",
};

type Media = Pick<Participant, "muted" | "held" | "video">;

const marksOf = ({ muted, held, video }: Media, away: boolean): Mark[] =>
  (["away", "held", "muted", "paused"] as const).filter(
    (mark) => ({ away, held, muted, paused: video === "paused" })[mark],
  );

function pictureOf({ held, video }: Media): Person["picture"] {
  if (held) return "none";
  if (video === "screen") return "screen";
  return video === "on" ? "camera" : "none";
}

export function personOf(participant: Participant): Person {
  const { id, userId, displayName, line, speaking, away } = participant;
  return {
    id,
    name: displayName || userId,
    me: false,
    line,
    speaking,
    picture: pictureOf(participant),
    marks: marksOf(participant, away),
  };
}

/** What of a call makes its own tile. */
export type Mine = Pick<Call, "callId" | "muted" | "held" | "video">;

/** This person: first, so that its tile stays where it is; then those who came first. */
export function peopleOf(call: Mine, participants: readonly Participant[]): Person[] {
  const me: Person = {
    id: call.callId,
    name: "You",
    me: true,
    line: undefined,
    speaking: false,
    // One's own screen within itself has no end.
    picture: call.video === "on" && !call.held ? "camera" : "none",
    marks: marksOf(call, false),
  };
  return [me, ...participants.map(personOf)];
}

/** How a conference is looked at. */
export interface View {
  /** The tile that the person has enlarged. */
  pinned: string | undefined;
  /** Whoever speaks is large. */
  follows: boolean;
  /** Who speaks, or spoke last. */
  speaker: string | undefined;
}

/** Whose tile is large, if any: the one that was pressed, a shared screen, then who speaks. */
export function featured(people: readonly Person[], { pinned, follows, speaker }: View): Person | undefined {
  const find = (id: string | undefined) => people.find((person) => person.id === id);
  const large =
    find(pinned) ??
    people.find(({ picture }) => picture === "screen") ??
    (follows ? (find(speaker) ?? people.find(({ me }) => !me)) : undefined);
  return people.length > 1 ? large : undefined;
}

/** What a tile says to somebody who does not see it. */
export function tileWords({ name, line, speaking, marks }: Person): string {
  const how = line === "phone" ? "on the phone" : line === "sip" ? "over SIP" : undefined;
  return [name, how, speaking ? "speaking" : undefined, ...marks.map((mark) => markWords[mark])]
    .filter((part) => part !== undefined)
    .join(", ");
}

/** How large a picture is asked for; none of what is not seen. */
export function pictureSize(box: Size, visible: boolean): Size | null {
  const { width, height } = box;
  return visible && width > 0 && height > 0 ? { width: Math.round(width), height: Math.round(height) } : null;
}
