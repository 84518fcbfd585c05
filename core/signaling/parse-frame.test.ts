import { describe, expect, it } from "vitest";
import { serverLimits } from "../../protocol";
import { parseFrame } from "./parse-frame";

type Track = { mid: string; kind: "audio" | "video"; id?: string };

const phones = (count: number) => Array.from({ length: count }, () => crypto.randomUUID());

/** Tracks with a `mid` each. */
const tracksOf = (...all: Omit<Track, "mid">[]): Track[] => all.map((one, at) => ({ mid: `${at}`, ...one }));

function publish(tracks: Track[]) {
  const description = { type: "offer", sdp: "v=0" };
  const room = { type: "publish", description, tracks, heard: 0 };
  const op = { op: "room", room };
  return parseFrame(JSON.stringify({ type: "call", id: 1, callId: crypto.randomUUID(), n: 1, ack: 0, op }));
}

describe("what a participant publishes", () => {
  const [voice, video] = [{ kind: "audio" }, { kind: "video" }] as const;
  const voiceOf = (id: string) => ({ ...voice, id });

  it("is a voice, two videos, and the voices of as many phones as there may be, in any order", () => {
    const all = phones(serverLimits.conferencePhones).map(voiceOf);
    expect(publish(tracksOf(...all, video, voice, video))).toMatchObject({ ok: true });
    expect(publish([])).toMatchObject({ ok: true });
  });

  const [phone = ""] = phones(1);
  it.each([
    ["two voices of its own", tracksOf(voice, voice)],
    ["three videos", tracksOf(video, video, video)],
    ["a phone's video", tracksOf({ ...video, id: phone })],
    ["two voices of one phone", tracksOf(voiceOf(phone), voiceOf(phone))],
    ["more phones than there may be", tracksOf(...phones(serverLimits.conferencePhones + 1).map(voiceOf))],
    ["two tracks with one mid", [voice, video].map((one) => ({ mid: "0", ...one }))],
  ])("is not %s", (_, tracks) => {
    const error = { name: "invalidRequest", detail: expect.stringContaining("op.room.tracks") };
    expect(publish(tracks)).toMatchObject({ ok: false, id: 1, error });
  });
});
