import { describe, expect, it } from "vitest";
import { newRoom, type Room, type Seat } from "../../core/conferences/room-data";
import { newSfuSeat, type SfuSeat } from "../../core/conferences/sfu/seat";
import { serverLimits } from "../../protocol";
import { loadRoom, storeRoom } from "./storage";

const { conferenceParticipants, displayNameBytes, roomBacklogBytes, sfuSdpBytes } = serverLimits;

/** As strict as a row: 2 MB, where every character may take two bytes. */
class Rows {
  readonly values = new Map<string, unknown>();
  puts = 0;

  put(key: string, value: unknown): void {
    const bytes = (typeof value === "string" ? value : JSON.stringify(value)).length * 2;
    if (bytes > 2_000_000) throw new Error(`${key} has ${bytes} bytes`);
    this.values.set(key, structuredClone(value));
    this.puts += 1;
  }

  get<T>(key: string): T | undefined {
    return this.values.get(key) as T | undefined;
  }
}

const session = (at: number) => `${at}`.padStart(64, "s");
const silence = { muted: false, held: false };

function seat(id: string): Seat {
  const userId = id.padEnd(255, "u");
  const displayName = "ł".repeat(displayNameBytes / 2);
  const media = { ...silence, video: "on" } as const;
  const outbox = { n: 1, words: [] };
  const state = "in";
  return { id, userId, displayName, reference: "r", state, joined: 0, media, silence, heard: 0, outbox };
}

/** Everybody sends a voice, a camera and a screen, and receives those of all others, as large as they come. */
function seeing(at: number, ids: string[]): SfuSeat {
  const kinds = ["audio", "video", "video"] as const;
  const rids = ["f", "h", "q"];
  const sends = kinds.map((kind, mid) => ({ mid: `${mid}`, kind, name: `${kind}-${mid}`, rids }));
  const receives = ids.flatMap((id, other) =>
    other === at
      ? []
      : sends.map(({ rids: _, ...sent }) => ({ ...sent, session: session(other), id, rid: "f" })),
  );
  const show = Object.fromEntries(ids.map((id) => [id, "h"] as const));
  return { ...newSfuSeat(session(at)), sends, receives, show };
}

function fullRoom(): Room {
  const room = newRoom("application", "tea");
  const ids = Array.from({ length: conferenceParticipants }, () => crypto.randomUUID());
  room.plan = "sfu";
  room.seats = ids.map(seat);
  room.sfu = Object.fromEntries(ids.map((id, at) => [id, seeing(at, ids)]));
  return room;
}

describe("a room in storage", () => {
  it("with fifty who see each other is more than a row, and comes back as it was", () => {
    const [rows, room] = [new Rows(), fullRoom()];
    storeRoom(rows, room);
    expect(rows.puts).toBeGreaterThan(1);
    expect(loadRoom(rows)).toEqual(room);
  });

  it("with fifty who hear each other is one row", () => {
    const [rows, room] = [new Rows(), fullRoom()];
    for (const seat of Object.values(room.sfu)) {
      seat.sends = seat.sends.filter(({ kind }) => kind === "audio");
      seat.receives = seat.receives.filter(({ kind }) => kind === "audio");
    }
    storeRoom(rows, room);
    expect(rows.puts).toBe(1);
    expect(loadRoom(rows)).toEqual(room);
  });

  it("has room for all that may wait in it, in any letters", () => {
    const [rows, room] = [new Rows(), fullRoom()];
    const sdp = `ł${"x".repeat(sfuSdpBytes - 2)}`;
    for (const seat of Object.values(room.sfu)) {
      seat.answer = { type: "answer", sdp };
      seat.publishing = { description: { type: "offer", sdp }, tracks: seat.sends };
    }
    for (let waiting = 0; waiting + sfuSdpBytes <= roomBacklogBytes; waiting += sfuSdpBytes) {
      const event = { type: "bridgeDescription", id: "p", description: { type: "offer", sdp } } as const;
      room.seats[0]?.outbox.words.push({ word: { word: "event", event }, size: sfuSdpBytes });
    }
    storeRoom(rows, room);
    expect(loadRoom(rows)).toEqual(room);
    // What was there before does not come back.
    storeRoom(rows, newRoom("application", "tea"));
    expect(loadRoom(rows)).toEqual(newRoom("application", "tea"));
  });

  it("is missing where there was none", () => {
    expect(loadRoom(new Rows())).toBeUndefined();
  });
});
