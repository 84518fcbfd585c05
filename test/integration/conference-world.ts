/** Participants of conferences that speak the protocol by hand. */
import type {
  CallOperation,
  CallResult,
  EndCause,
  ErrorBody,
  ParticipantInfo,
  RoomEvent,
  RoomOperation,
} from "../../protocol";
import { roomEvents, rosterOf } from "../support/roster";
import { Peer, someone } from "./peer";

type Named<T extends RoomEvent["type"]> = Extract<RoomEvent, { type: T }>;

/** One user in a conference, with the roster as its changes give it. */
export class Participant {
  /** The answer to its start may say that it is over. */
  #refused: { cause: EndCause; error?: ErrorBody } | undefined;

  /** Operations so far: two come before the room, at most. */
  #n = 2;

  private constructor(
    public peer: Peer,
    readonly id: string,
  ) {}

  /** Calls the conference; answers when it is in. */
  static async join(
    conference: string,
    options: {
      userId?: string;
      applicationKey?: string;
      /** One who is connected already. */
      peer?: Peer;
      video?: boolean;
      displayName?: string;
    } = {},
  ): Promise<Participant> {
    const participant = await Participant.call(conference, options);
    await participant.event("joined");
    return participant;
  }

  /** Calls it; what comes of it is in the events. */
  static async call(
    conference: string,
    {
      userId = someone("user"),
      applicationKey,
      peer: connected,
      ...start
    }: Parameters<typeof Participant.join>[1] = {},
  ): Promise<Participant> {
    const peer = connected ?? (await Peer.connect(userId, { applicationKey }));
    const { callId, answered } = peer.start(conference, { line: "conference", offer: undefined, ...start });
    const reply = await answered;
    if (reply.type === "error") throw new Error(reply.error.name);
    const participant = new Participant(peer, callId);
    const { ended } = reply.result as CallResult;
    if (ended) participant.#refused = ended;
    return participant;
  }

  /** Takes a call that comes from a conference. */
  static async answer(peer: Peer): Promise<Participant> {
    const { callId } = await peer.event("incoming");
    await peer.call(callId, { op: "ringing" });
    await peer.call(callId, { op: "answer", candidates: [] });
    const participant = new Participant(peer, callId);
    await participant.event("joined");
    return participant;
  }

  get userId(): string {
    return this.peer.user.userId;
  }

  get events(): RoomEvent[] {
    return roomEvents(this.peer.callFrames(this.id).map(({ event }) => event));
  }

  named<T extends RoomEvent["type"]>(type: T): Named<T>[] {
    return this.events.filter((event): event is Named<T> => event.type === type);
  }

  /** Waits for an event of the room. */
  event<T extends RoomEvent["type"]>(
    type: T,
    is: (event: Named<T>) => boolean = () => true,
  ): Promise<Named<T>> {
    return this.until(() => this.named(type).find(is));
  }

  /** Waits until something can be found in what came so far. */
  until<T>(find: () => T | undefined | false): Promise<T> {
    return this.peer.when(() => find() || undefined);
  }

  /** Who is there besides this one, as the room's changes say. */
  get roster(): ParticipantInfo[] {
    return rosterOf(this.events);
  }

  /** Waits until exactly these are there besides this one. */
  async sees(...others: { id: string }[]): Promise<void> {
    const ids = others
      .map(({ id }) => id)
      .filter((id) => id !== this.id)
      .sort();
    await this.until(
      () => JSON.stringify(this.roster.map(({ id }) => id).sort()) === JSON.stringify(ids) || undefined,
    );
  }

  say(room: RoomOperation) {
    return this.op({ op: "room", room });
  }

  op(op: CallOperation) {
    const ack = this.peer.callFrames(this.id).at(-1)?.seq ?? 0;
    this.#n += 1;
    return this.peer.call(this.id, op, { n: this.#n, ack });
  }

  async ended(): Promise<{ cause: EndCause; error?: ErrorBody }> {
    const { cause, error } = this.#refused ?? (await this.peer.event("ended", this.id));
    return { cause, error };
  }

  /** The same tab on a new socket, as the SDK does it. What it has heard stays heard. */
  async again(): Promise<void> {
    const heard = this.peer.callFrames(this.id);
    this.peer = await this.peer.again([{ callId: this.id, ack: heard.at(-1)?.seq ?? 0 }]);
    this.peer.frames.unshift(...heard);
    await this.peer.frame("synced");
  }
}
