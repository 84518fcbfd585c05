/** A user who takes part in conferences, one call after the other, and believes what the room has told. */
import type { EndCause, ErrorBody, MediaState, ParticipantInfo, RoomEvent } from "../../protocol";
import { until } from "../support/programs";
import { roomEvents, rosterOf } from "../support/roster";
import type { Server } from "../support/server";
import { Client } from "./client";

export class Member {
  private constructor(
    readonly client: Client,
    readonly conference: string,
  ) {}

  /** Calls the conference: settles when the server has taken the call. What becomes of it is in the events. */
  static async call(server: Server, userId: string, conference: string): Promise<Member> {
    const client = await Client.register(server, userId);
    const start = { op: "start", to: conference, line: "conference", video: false, headers: {} } as const;
    const error = await client.send(start);
    if (error) {
      client.close();
      throw new Error(`${userId} was refused: ${error.message}`);
    }
    return new Member(client, conference);
  }

  static async join(server: Server, userId: string, conference: string): Promise<Member> {
    const member = await Member.call(server, userId, conference);
    await until(`${userId} is in`, () => member.isIn);
    return member;
  }

  get id(): string {
    return this.client.callId ?? "";
  }

  get events(): RoomEvent[] {
    return roomEvents(this.client.events);
  }

  get isIn(): boolean {
    return this.events.some(({ type }) => type === "joined") && !this.ended;
  }

  get ended(): { cause: EndCause; error?: ErrorBody } | undefined {
    return this.client.events.find((event) => event.event === "ended");
  }

  /** The others. */
  get roster(): ParticipantInfo[] {
    return rosterOf(this.events);
  }

  /** Everybody, this one among them, by the id of their calls. */
  get everybody(): string[] {
    return [this.id, ...this.roster.map(({ id }) => id)].sort();
  }

  async media(media: MediaState): Promise<void> {
    const error = await this.client.send({ op: "media", media });
    if (error) throw new Error(error.message);
  }

  /** Settles when the server has confirmed it, and closes the connection then. */
  async leave(): Promise<void> {
    await this.client.send({ op: "hangup" });
    this.client.close();
  }
}

/** Who is in, by the REST API: the ids of their calls. */
export async function listOf(server: Server, conference: string): Promise<string[]> {
  const { url, applicationKey, applicationSecret } = server;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const path = `/calling/v1/conferences/id/${encodeURIComponent(conference)}`;
  const answer = await fetch(url + path, { headers: { authorization } });
  if (answer.status === 404) return [];
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  const { participants } = (await answer.json()) as { participants: { id: string }[] };
  return participants.map(({ id }) => id).sort();
}
