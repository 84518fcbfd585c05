/** A conference in memory: it seats, passes signals on, and says what a test makes it say. */
import type {
  CallOperation,
  ErrorBody,
  MediaState,
  ParticipantInfo,
  RoomEvent,
  RoomOperation,
} from "../../../protocol";

type Say = (events: RoomEvent[]) => void;

export class FakeRoom {
  /** What participants have said to the room beside signals. */
  readonly said: { from: string; operation: RoomOperation }[] = [];
  plan: "mesh" | "sfu" = "mesh";
  /** What is refused, and with what. */
  refuses: (operation: RoomOperation) => ErrorBody | undefined = () => undefined;
  readonly #members = new Map<string, { info: ParticipantInfo; say: Say }>();

  constructor(readonly conference: string) {}

  join(
    id: string,
    userId: string,
    op: { displayName?: string; video: boolean },
    now: number,
    say: Say,
  ): void {
    const { plan, conference } = this;
    const media: MediaState = { muted: false, held: false, video: op.video ? "on" : "off" };
    const silence = { muted: false, held: false };
    const info = { id, userId, displayName: op.displayName, joined: now, media, silence };
    const participants = [...this.#members.values()].map((member) => member.info);
    this.tell({ type: "participantJoined", participant: info });
    this.#members.set(id, { info, say });
    say([{ type: "joined", conference, plan, participants, silence }]);
  }

  leave(id: string): void {
    if (this.#members.delete(id)) this.tell({ type: "participantLeft", id });
  }

  hear(id: string, op: Extract<CallOperation, { op: "room" | "media" }>): ErrorBody | undefined {
    const member = this.#members.get(id);
    if (!member) throw new Error("It is not in.");
    const refused = op.op === "room" ? this.refuses(op.room) : undefined;
    if (refused) return refused;
    if (op.op === "media") {
      member.info = { ...member.info, media: op.media };
      this.tell({ type: "participantChanged", change: { id, media: op.media } }, id);
    } else if (op.room.type === "signal") {
      for (const signal of op.room.signals) {
        this.say(signal.peer, { type: "signal", signals: [{ ...signal, peer: id }] });
      }
    } else this.said.push({ from: id, operation: op.room });
    return undefined;
  }

  /** To one. */
  say(id: string, ...events: RoomEvent[]): void {
    this.#members.get(id)?.say(events);
  }

  /** To all, or to all but one. */
  tell(event: RoomEvent, but?: string): void {
    for (const [id, { say }] of this.#members) if (id !== but) say([event]);
  }

  /** What one has said of a kind, in order. */
  operations<T extends RoomOperation["type"]>(id: string, type: T): Extract<RoomOperation, { type: T }>[] {
    return this.said.flatMap(({ from, operation }) =>
      from === id && operation.type === type ? [operation as Extract<RoomOperation, { type: T }>] : [],
    );
  }
}
