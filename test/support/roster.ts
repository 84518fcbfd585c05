/** Who is in a conference, as its room tells a participant: whole at first, then by changes. */
import type { CallEvent, ParticipantChange, ParticipantInfo, RoomEvent } from "../../protocol";

/** What the room has said in a call. */
export function roomEvents(events: readonly CallEvent[]): RoomEvent[] {
  return events.flatMap((event) => (event.event === "room" ? event.room : []));
}

/** The others, in the order in which they came. Errors: a change that makes no sense. */
export function rosterOf(events: readonly RoomEvent[]): ParticipantInfo[] {
  const roster = new Map<string, ParticipantInfo>();
  const known = (id: string): ParticipantInfo => {
    const one = roster.get(id);
    if (!one) throw new Error(`not in the roster: ${id}`);
    return one;
  };
  for (const event of events) {
    if (event.type === "joined") {
      if (roster.size > 0) throw new Error("joined twice");
      for (const one of event.participants) roster.set(one.id, one);
    } else if (event.type === "participantJoined") {
      if (roster.has(event.participant.id)) throw new Error(`there already: ${event.participant.id}`);
      roster.set(event.participant.id, event.participant);
    } else if (event.type === "participantLeft") {
      known(event.id);
      roster.delete(event.id);
    } else if (event.type === "participantChanged") {
      roster.set(event.change.id, changed(known(event.change.id), event.change));
    }
  }
  return [...roster.values()];
}

function changed(one: ParticipantInfo, { away, host, ...rest }: ParticipantChange): ParticipantInfo {
  const next = { ...one, ...rest };
  if (away !== undefined) next.away = away ?? undefined;
  if (host !== undefined) next.host = host ?? undefined;
  return next;
}
