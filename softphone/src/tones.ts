/** The sounds of the phone, made in code: bells for what comes in, quiet line tones for what goes out. */
import type { CallState, EndCause } from "@carillon/sdk";

/** Samples per second: enough for the bells' partials, small enough to make while a click is handled. */
export const rate = 16_000;

export type Tone = "ringtone" | "ringback" | "connecting" | "waiting" | "ended" | "busy";

/** A frequency from a time on, for a while, in seconds; a bell rings out instead of stopping. */
interface Note {
  at: number;
  hertz: number;
  seconds: number;
  gain: number;
  bell?: boolean;
}

const line = (at: number, seconds: number, hertz = 425): Note => ({ at, hertz, seconds, gain: 0.16 });
const bell = (at: number, hertz: number): Note => ({ at, hertz, seconds: 1.9, gain: 0.3, bell: true });

/** Length of one round in seconds, and its notes. Cadences: ITU-T E.180, European plan. */
const scores: Record<Tone, { seconds: number; notes: Note[] }> = {
  ringtone: {
    seconds: 3.6,
    // A change on four bells: E, C, D, G.
    notes: [bell(0, 659.3), bell(0.32, 523.3), bell(0.64, 587.3), bell(0.96, 392)],
  },
  ringback: { seconds: 5, notes: [line(0, 1)] },
  connecting: { seconds: 2, notes: [{ at: 0, hertz: 330, seconds: 0.06, gain: 0.07 }] },
  waiting: { seconds: 4, notes: [line(0, 0.18), line(0.36, 0.18)] },
  ended: { seconds: 2.1, notes: [bell(0, 523.3), bell(0.16, 392)] },
  busy: { seconds: 1.5, notes: [line(0, 0.25), line(0.5, 0.25), line(1, 0.25)] },
};

/** A bell's partials, relative to its strike note: hum, prime, tierce, quint, nominal. */
const partials = [
  { ratio: 0.5, gain: 0.35, decay: 1.6 },
  { ratio: 1, gain: 1, decay: 2.4 },
  { ratio: 1.2, gain: 0.4, decay: 3 },
  { ratio: 1.5, gain: 0.2, decay: 4 },
  { ratio: 2, gain: 0.5, decay: 4.5 },
];

function sound(note: Note, t: number): number {
  const wave = (hertz: number) => Math.sin(2 * Math.PI * hertz * t);
  const edge = Math.min(1, t / 0.008, (note.seconds - t) / 0.02);
  if (!note.bell) return edge * note.gain * wave(note.hertz);
  const sum = partials.reduce(
    (all, p) => all + p.gain * Math.exp(-p.decay * t) * wave(p.ratio * note.hertz),
    0,
  );
  return edge * note.gain * sum * 0.6;
}

/** One round of a tone, each sample -1 to 1. */
export function samples(tone: Tone): Float32Array {
  const { seconds, notes } = scores[tone];
  const out = new Float32Array(Math.round(seconds * rate));
  for (const note of notes) {
    const first = Math.round(note.at * rate);
    const count = Math.min(Math.round(note.seconds * rate), out.length - first);
    for (let i = 0; i < count; i++) out[first + i] = (out[first + i] ?? 0) + sound(note, i / rate);
  }
  return out;
}

/** Mono, 16 bits: the header of 44 bytes and the samples. */
export function wav(data: Float32Array): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(44 + data.length * 2));
  const text = (at: number, value: string) => {
    for (let i = 0; i < value.length; i++) view.setUint8(at + i, value.charCodeAt(i));
  };
  text(0, "RIFF");
  view.setUint32(4, 36 + data.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, data.length * 2, true);
  data.forEach((sample, i) => {
    view.setInt16(44 + i * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true);
  });
  return view.buffer;
}

/** What {@link toneOf} looks at. */
export interface Sounding {
  state: CallState;
  direction: "outgoing" | "incoming";
  /** A phone's network may play something before the answer. */
  incomingStream?: Pick<MediaStream, "getTracks"> | undefined;
}

/** What a call sounds like while it goes on; a call that talks, or is played something, has its own sound. */
export function toneOf(calls: readonly Sounding[]): Tone | null {
  const rings = calls.some(({ state, direction }) => direction === "incoming" && isRinging(state));
  const talks = calls.some(({ state }) => state === "answered" || state === "established");
  if (rings) return talks ? "waiting" : "ringtone";
  if (talks) return null;
  const outgoing = calls.find(({ direction, state }) => direction === "outgoing" && state !== "ended");
  if (!outgoing || outgoing.incomingStream?.getTracks().length) return null;
  return outgoing.state === "ringing" ? "ringback" : "connecting";
}

/** Nobody has answered yet. */
export function isRinging(state: CallState): boolean {
  return state === "initiating" || state === "progressing" || state === "ringing";
}

/** What the end of a call sounds like; what the person did, or never heard, needs no sound. */
export function endTone(
  cause: EndCause,
  direction: "outgoing" | "incoming",
  wasAnswered: boolean,
): Tone | null {
  if (wasAnswered) return "ended";
  return direction === "incoming" || cause === "canceled" ? null : "busy";
}
