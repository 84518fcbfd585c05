import { describe, expect, it } from "vitest";
import { endTone, rate, samples, type Tone, toneOf, wav } from "./tones";

const tones: Tone[] = ["ringtone", "ringback", "connecting", "waiting", "ended", "busy"];

describe("tones", () => {
  it.each(tones)("%s is heard, does not clip, and starts and ends in silence", (tone) => {
    const data = samples(tone);
    const loudest = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(loudest).toBeGreaterThan(0.05);
    expect(loudest).toBeLessThan(1);
    expect(Math.abs(data[0] ?? 1)).toBeLessThan(0.01);
    expect(Math.abs(data.at(-1) ?? 1)).toBeLessThan(0.02);
  });

  it("rings back for a second in five", () => {
    const data = samples("ringback");
    expect(data.length).toBe(5 * rate);
    expect(data.slice(rate + 1).every((sample) => sample === 0)).toBe(true);
  });

  it("is a WAV file of the right size", () => {
    const file = wav(new Float32Array([0, 1, -1, 2]));
    const view = new DataView(file);
    expect(new TextDecoder().decode(file.slice(0, 4))).toBe("RIFF");
    expect(view.getUint32(4, true)).toBe(file.byteLength - 8);
    expect(view.getUint32(40, true)).toBe(8);
    expect([44, 46, 48, 50].map((at) => view.getInt16(at, true))).toEqual([0, 32_767, -32_767, 32_767]);
  });
});

describe("which tone", () => {
  const out = (state: "initiating" | "ringing" | "established" | "ended") =>
    ({ state, direction: "outgoing" }) as const;
  const incoming = { state: "ringing", direction: "incoming" } as const;

  it("follows the calls", () => {
    expect(toneOf([])).toBeNull();
    expect(toneOf([out("initiating")])).toBe("connecting");
    expect(toneOf([out("ringing")])).toBe("ringback");
    expect(toneOf([out("established")])).toBeNull();
    expect(toneOf([incoming])).toBe("ringtone");
    expect(toneOf([out("established"), incoming])).toBe("waiting");
    expect(toneOf([out("ended")])).toBeNull();
  });

  it("ends with a tone only where it tells something", () => {
    expect(endTone("hungUp", "outgoing", true)).toBe("ended");
    expect(endTone("denied", "outgoing", false)).toBe("busy");
    expect(endTone("canceled", "outgoing", false)).toBeNull();
    expect(endTone("canceled", "incoming", false)).toBeNull();
  });
});

it("leaves the line to what the phone's network plays before the answer", () => {
  const call = (tracks: unknown[]) => ({
    state: "ringing" as const,
    direction: "outgoing" as const,
    incomingStream: { getTracks: () => tracks as MediaStreamTrack[] },
  });
  expect(toneOf([call([])])).toBe("ringback");
  expect(toneOf([call(["a track"])])).toBeNull();
});
