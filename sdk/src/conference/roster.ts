/** Who is in, as the room has told it. Pure. */
import type { MediaPlan, ParticipantInfo, RoomEvent, Silence } from "../../../protocol";

export class Roster {
  plan: MediaPlan = "mesh";
  /** Over this participant's own head. */
  silence: Silence = { muted: false, held: false };
  /** In the order in which they came. */
  readonly #members = new Map<string, ParticipantInfo>();

  get members(): ParticipantInfo[] {
    return [...this.#members.values()];
  }

  find(id: string): ParticipantInfo | undefined {
    return this.#members.get(id);
  }

  /** What the event says of who is in; the others change nothing. */
  apply(event: RoomEvent): void {
    switch (event.type) {
      case "joined":
        this.plan = event.plan;
        this.silence = event.silence;
        for (const member of event.participants) this.#members.set(member.id, member);
        return;
      case "participantJoined":
        this.#members.set(event.participant.id, event.participant);
        return;
      case "participantLeft":
        this.#members.delete(event.id);
        return;
      case "participantChanged":
        this.#change(event.change);
        return;
      case "silence":
        this.silence = event.silence;
        return;
      case "plan":
        this.plan = event.plan;
    }
  }

  #change({ id, away, host, ...rest }: Extract<RoomEvent, { type: "participantChanged" }>["change"]): void {
    const before = this.#members.get(id);
    if (!before) return;
    const after = { ...before, ...rest };
    // What is missing stays as it was; null takes away.
    if (away !== undefined) after.away = away ?? undefined;
    if (host !== undefined) after.host = host ?? undefined;
    this.#members.set(id, after);
  }
}

/** It is neither to be heard nor to be seen here, whatever comes in of it. */
export function isHeld({ media, silence }: Pick<ParticipantInfo, "media" | "silence">): boolean {
  return media.held || silence.held;
}

/** It is not to be heard. */
export function isSilent(info: Pick<ParticipantInfo, "media" | "silence">): boolean {
  return isHeld(info) || info.silence.muted;
}
